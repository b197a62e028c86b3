//! `ckpt align`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use aligntar::{EndMarker, Entry, FileSource, Limits, Reader, Writer, Written};
use anyhow::{Context, Result, bail};
use clap::Args;

use super::input::{Input, Stream};
use super::target::TargetArguments;
use crate::display::{Display, Summary, Verbosity};

/// Make an archive whose file data lies on blocks out of any tar archive, compressed with zstd or gzip or not.
///
/// Members stay as they are, in their order. Data that lies on blocks already is cloned.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; - for standard input
    input: PathBuf,
    /// The archive to make; - for standard output
    output: PathBuf,
    /// Align the data inside of members that are archives themselves (NAME.tar) as well: their bytes change, what is in
    /// them does not
    #[arg(long)]
    nested: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub(crate) fn run(arguments: Arguments, verbosity: Verbosity) -> Result<ExitCode> {
    let started = Instant::now();
    let mut display = Display::new("align");
    let written = align(&arguments, &mut display).with_context(|| format!("align {}", arguments.input.display()))?;
    display.finish();
    let summary = Summary { elapsed: started.elapsed(), frozen: None, moved: written.moved };
    summary.print(&arguments.output.to_string_lossy(), verbosity);
    Ok(ExitCode::SUCCESS)
}

fn align(arguments: &Arguments, display: &mut Display) -> Result<Written> {
    let Arguments { output, nested, target, .. } = arguments;
    match Input::open(&arguments.input)? {
        Input::File(archive) => target.write(output, |writer, _| {
            let depth = if *nested { NESTED_DEPTH } else { 0 };
            append_all(&archive, Reader::open(&archive)?, depth, writer, display)
        }),
        Input::Stream(_) if *nested => bail!("--nested needs an archive in a file that is not compressed"),
        Input::Stream(stream) => target.write(output, |writer, _| append_stream(*stream, writer, display)),
    }
}

/// Archives in archives; what is deeper is data like any other.
const NESTED_DEPTH: u32 = 4;

fn append_all(
    archive: &File,
    entries: Reader<FileSource<'_>>,
    depth: u32,
    writer: &mut Writer<'_>,
    display: &mut Display,
) -> Result<()> {
    for entry in entries {
        let entry = entry?;
        let before = writer.moved();
        if depth > 0 && is_archive(archive, &entry) {
            writer.append_nested(&entry.member, |writer| {
                append_all(archive, Reader::open_nested(archive, &entry)?, depth - 1, writer, display)
            })?;
            continue;
        }
        writer.append_entry(&entry, archive)?;
        display.count(writer.moved() - before);
    }
    Ok(())
}

/// Whether a member is by name and content an archive, whole to its end.
fn is_archive(archive: &File, entry: &Entry) -> bool {
    let is_whole =
        |reader: Reader<FileSource<'_>>| reader.with_end_marker(EndMarker::Required).all(|entry| entry.is_ok());
    let is_named_so = entry.member.path.ends_with(b".tar") && entry.member.size() > 0 && entry.sparse.is_none();
    is_named_so && Reader::open_nested(archive, entry).is_ok_and(is_whole)
}

fn append_stream(stream: Stream, writer: &mut Writer<'_>, display: &mut Display) -> Result<()> {
    let mut reader = Reader::new(stream, Limits::default());
    while let Some(entry) = reader.next_entry()? {
        let before = writer.moved();
        writer.append_stream(&entry.member, &mut reader.data(&entry))?;
        display.count(writer.moved() - before);
    }
    // Whoever writes the stream must not find it closed.
    reader.into_source().drain().context("read to the end")
}
