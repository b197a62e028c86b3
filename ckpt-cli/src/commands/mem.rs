//! `ckpt mem`.

mod address_range;
mod found;
mod listing;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use ckpt_core::memory::{Memory, MemoryError, Pattern};
use ckpt_core::output::Output;
use clap::Args;
use indicatif::HumanBytes;

#[cfg(feature = "images")]
use crate::archive::image;
use crate::arguments::{IdentityArgument, StoreArgument, TableFormat};
use crate::files::Files;
use crate::messages::{complain, eprint_line};
use crate::spool;
use address_range::AddressRange;
use found::Lines;
pub(crate) use found::MatchJson;
pub(crate) use listing::ProcessJson;

/// Show what the processes of a checkpoint have in memory, search in it, and take it out
///
/// Without more options, list the mappings of each process, as /proc/PID/maps does, and how much of each is in the archive. Pages that a
/// process never wrote to are in no checkpoint: they are zeros, or as they are in their file.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; or a save, as web~1; or an image, as oci:DIR:TAG
    archive: PathBuf,
    /// Only this process, by the ID that it has in the container
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    #[command(flatten)]
    action: Action,
    /// How many bytes to show on either side of what was found
    #[arg(long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u64).range(..=4096))]
    context: u64,
    /// Write what --dump gives to this file, for nobody but you to read
    #[arg(short, long, value_name = "FILE", requires = "dump")]
    output: Option<PathBuf>,
    /// How to print mappings, or what was found
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
}

#[derive(Args)]
#[group(multiple = false)]
struct Action {
    /// Look for this text. As with grep, the exit status is 1 if it is nowhere, and 2 if something failed
    #[arg(long, value_name = "TEXT")]
    search: Option<OsString>,
    /// Look for what matches this regular expression, as the crate regex reads it; (?-u) takes bytes instead of UTF-8
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
    /// Write LENGTH bytes from ADDRESS on to standard output, as they are; ADDRESS is hexadecimal, LENGTH may have K, M or G
    /// behind it
    #[arg(long, value_name = "ADDRESS:LENGTH")]
    dump: Option<AddressRange>,
    /// Write a core file of the process, for gdb
    #[arg(long, value_name = "FILE")]
    core: Option<PathBuf>,
}

/// As grep(1) has it: 1 if nothing is found, 2 if something failed.
const FAILED: u8 = 2;

pub(crate) fn run(arguments: &Arguments, files: &Files) -> ExitCode {
    work(arguments, files).unwrap_or_else(|error| {
        complain(&error);
        FAILED.into()
    })
}

fn work(arguments: &Arguments, files: &Files) -> Result<ExitCode> {
    let memory = open(arguments, files)?;
    let done = |done: Result<()>| done.map(|()| ExitCode::SUCCESS);
    let Action { search, regex, dump, core } = &arguments.action;
    let pattern = match (search, regex) {
        (Some(text), _) => Some(Pattern::text(text.as_bytes())?),
        (None, Some(regex)) => Some(Pattern::regex(regex)?),
        (None, None) => None,
    };
    match (pattern, dump, core) {
        (Some(pattern), ..) => search_for(&memory, arguments, &pattern),
        (None, Some(range), _) => done(write_dump(&memory, arguments, range)),
        (None, None, Some(path)) => done(write_core(&memory, arguments, path)),
        (None, None, None) => done(listing::print(&memory, arguments.pid, arguments.format)),
    }
}

fn open(arguments: &Arguments, files: &Files) -> Result<Memory> {
    #[cfg(feature = "images")]
    if let Some(image) = image::parse_optional(&arguments.archive)? {
        let import = image::import(&image, None, "mem")?;
        return Ok(Memory::open(&import, &spool::folder())?);
    }
    let archive = files.archive(&arguments.archive, &arguments.store)?;
    let import = arguments.identity.open_to_look(archive.path().into(), None)?;
    Ok(Memory::open(&import, &spool::folder())?)
}

fn search_for(memory: &Memory, arguments: &Arguments, pattern: &Pattern) -> Result<ExitCode> {
    let mut lines = Lines::new(io::stdout().lock(), arguments.format);
    let searched = memory.search(arguments.pid, pattern, arguments.context, &mut |found| lines.add(found));
    let written = unless_closed(searched)?.map(|()| lines.finish()).transpose();
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ if lines.count() == 0 => Ok(ExitCode::FAILURE),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn write_dump(memory: &Memory, arguments: &Arguments, range: &AddressRange) -> Result<()> {
    let pid = memory.process(arguments.pid)?;
    if let Some(path) = &arguments.output {
        let output = Output::create(path)?;
        let mut file = output.file();
        memory
            .dump(pid, range.addresses(), &mut |bytes| file.write_all(bytes))
            .with_context(|| format!("write {}", path.display()))?;
        return Ok(output.publish_unsynced()?);
    }
    let mut out = io::stdout().lock();
    ensure!(
        !out.is_terminal(),
        "memory is nothing for a terminal: redirect standard output, or name a file with --output"
    );
    let dumped = memory.dump(pid, range.addresses(), &mut |bytes| out.write_all(bytes));
    let flushed = unless_closed(dumped)?.map(|()| out.flush()).transpose();
    flushed.map(drop).context("write to standard output")
}

fn write_core(memory: &Memory, arguments: &Arguments, path: &Path) -> Result<()> {
    let pid = memory.process(arguments.pid)?;
    let output = Output::create(path)?;
    let moved = memory.write_core(pid, output.file())?;
    output.publish_unsynced()?;
    let (cloned, copied) = (HumanBytes(moved.cloned_bytes), HumanBytes(moved.copied_bytes));
    eprint_line(format_args!("{}: {cloned} cloned, {copied} copied", path.display()));
    Ok(())
}

/// None if who reads has seen enough.
fn unless_closed<T>(done: Result<T, MemoryError>) -> Result<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(MemoryError::Visit(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(None),
        Err(error) => Err(error.into()),
    }
}
