//! `ckpt unpack`.

mod hard_links;
mod reporter;
mod selection;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use aligntar::{
    Entry, Limits, Permissions, PlainParents, Reader, ShownName, Source, Transferred, UnpackOptions, Unpacker,
};
use anyhow::{Context, Result, bail};
use clap::Args;
use globset::{Glob, GlobSet, GlobSetBuilder};
use rustix::fs::{Mode, OFlags, open};

use crate::archive::input::{Input, Stream};
use crate::archive::saved::Archive;
use crate::arguments::{IdentityArgument, JobsArgument, ReflinkArgument, StoreArgument};
use crate::messages::{Verbosity, warn};
use crate::progress::{ProgressLine, Summary};
use crate::signals;
use hard_links::Links;
use reporter::Reporter;
use selection::Selection;

/// Unpack any tar archive, and never write outside of the directory
///
/// Needs no root and no podman. The archive may be compressed with zstd or gzip, and encrypted with age.
///
/// Files that exist are replaced. As root, files are given to their owners. What cannot be unpacked or set is named, the
/// rest is unpacked, and the exit status is 1.
///
/// Ctrl-C ends the work behind the current member, with modes and times of directories set. A second one ends it at
/// once.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; - for standard input; or a save, as web~1
    archive: PathBuf,
    /// Members to unpack, with all that is below them; by default all
    #[arg(value_name = "MEMBER")]
    members: Vec<PathBuf>,
    /// The directory to unpack in
    #[arg(short = 'C', long, default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// Leave files to the user who unpacks them, also as root
    #[arg(long)]
    no_same_owner: bool,
    /// Give files the modes of the archive, whatever the umask; root always does. Set-id bits come only with their owners
    #[arg(short = 'p', long)]
    same_permissions: bool,
    /// Stop at the first member that cannot be unpacked
    #[arg(long)]
    fail_fast: bool,
    /// Set these extended attributes as well, which the kernel and other programs act upon: security.capability,
    /// trusted.*, …
    #[arg(long, value_name = "GLOB", value_parser = Glob::new)]
    xattr: Vec<Glob>,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
    #[command(flatten)]
    jobs: JobsArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let started = Instant::now();
    let archive = Archive::find(&arguments.archive, &arguments.store)?;
    let input = Input::open_with(archive.path(), &arguments.identity)?;
    let mut progress = ProgressLine::new("unpack");
    let moved = unpack(arguments, input, &mut progress).with_context(|| arguments.archive.display().to_string())?;
    progress.finish();
    let summary = Summary { elapsed: started.elapsed(), frozen: None, moved };
    summary.print(&arguments.archive.to_string_lossy(), verbosity);
    Ok(())
}

fn unpack(arguments: &Arguments, input: Input, progress: &mut ProgressLine) -> Result<Transferred> {
    let directory = &arguments.directory;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let target = open(directory, flags, Mode::empty());
    let target = target.with_context(|| format!("open the directory {}", directory.display()))?;
    let asked_for = asked_for(&arguments.xattr)?;
    let by_default = UnpackOptions::default().keep_xattr;
    let is_root = rustix::process::geteuid().is_root();
    let options = UnpackOptions {
        // Only root may give files away.
        owner: is_root && !arguments.no_same_owner,
        permissions: if is_root || arguments.same_permissions { Permissions::Exact } else { less_umask() },
        keep_xattr: &|name| by_default(name) || asked_for.is_match(Path::new(std::ffi::OsStr::from_bytes(name))),
        clone_policy: arguments.reflink.policy(),
        threads: arguments.jobs.count(),
        ..UnpackOptions::default()
    };
    let interrupted = signals::flag()?;
    let (mut parents, mut reporter) = (PlainParents, Reporter::new(progress.lines(), arguments.fail_fast));
    let unpacker = Unpacker::with_observer(target.as_fd(), options, &mut parents, &mut reporter)?;
    let wanted = Selection::new(&arguments.members);
    let mut run = Run { unpacker, wanted, progress, interrupted: &interrupted, with_flags: 0 };
    let unpacked = match input {
        Input::File(file) => run.unpack_file(&file),
        Input::Stream(stream) => run.unpack_stream(Reader::new(*stream, Limits::default())),
    };
    let Run { unpacker, wanted, with_flags, .. } = run;
    // Directories get their modes and times in every case; what came first is what is told.
    let finished = unpacker.finish();
    unpacked?;
    let moved = finished?;
    wanted.check()?;
    if with_flags > 0 {
        warn(format_args!("of the members, {with_flags} have file flags (chattr, SCHILY.fflags), which are not set"));
    }
    reporter.check()?;
    Ok(moved)
}

/// As tar does it for ordinary users. No other thread is there yet that would make files meanwhile.
fn less_umask() -> Permissions {
    let umask = rustix::process::umask(Mode::empty());
    rustix::process::umask(umask);
    Permissions::LessUmask(umask.as_raw_mode())
}

/// An unpacking on its way.
struct Run<'r, 'u> {
    unpacker: Unpacker<'u>,
    wanted: Selection,
    progress: &'r mut ProgressLine,
    interrupted: &'r AtomicBool,
    /// Members with flags, as bsdtar notes them.
    with_flags: usize,
}

impl Run<'_, '_> {
    fn unpack_file(&mut self, file: &File) -> Result<()> {
        let mut links = Links::default();
        self.unpack_all(&mut Reader::open(file)?, |entry, wanted| !wanted.is_all() && links.keep(entry, wanted))?;
        links.make(file, &mut self.unpacker, self.progress)
    }

    fn unpack_stream(&mut self, mut reader: Reader<Stream>) -> Result<()> {
        self.unpack_all(&mut reader, |_, _| false)?;
        // Whoever writes the stream must not find it closed.
        reader.into_source().drain().context("read to the end")?;
        Ok(())
    }

    /// Members that `is_for_later` are left out.
    fn unpack_all<S: Source>(
        &mut self,
        reader: &mut Reader<S>,
        mut is_for_later: impl FnMut(&Entry, &Selection) -> bool,
    ) -> Result<()> {
        while let Some(entry) = reader.next_entry()? {
            if self.interrupted.load(Ordering::Relaxed) {
                bail!(
                    "interrupted at member {:?}; what came before it is unpacked",
                    ShownName::new(&entry.member.path)
                );
            }
            if self.wanted.find(&entry.member.path) && !is_for_later(&entry, &self.wanted) {
                self.with_flags += usize::from(has_flags(&entry));
                self.progress.count(self.unpacker.unpack(&entry, reader.source_mut())?);
            }
        }
        Ok(())
    }
}

fn has_flags(entry: &Entry) -> bool {
    entry.member.records.iter().any(|record| record.keyword == b"SCHILY.fflags" && !record.value.is_empty())
}

fn asked_for(globs: &[Glob]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.clone());
    }
    Ok(set.build()?)
}
