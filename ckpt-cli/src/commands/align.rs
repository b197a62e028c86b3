//! `ckpt align`.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use aligntar::{EndMarker, Entry, FileSource, Limits, Reader, Writer, Written};
use anyhow::{Context, Result, bail};
use clap::Args;

use crate::archive::input::{Input, Stream};
use crate::archive::output::OutputArguments;
use crate::archive::saved::Archive;
use crate::arguments::StoreArgument;
use crate::messages::Verbosity;
use crate::progress::{ProgressLine, Summary};

/// Rewrite any tar archive so that its files can be unpacked by clone
///
/// Members stay as they are, in their order. Data that already lies on blocks is cloned. The input may be compressed with
/// zstd or gzip.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive to read; - for standard input; or a save, as web~1
    input: PathBuf,
    /// The archive to make; - for standard output
    output: PathBuf,
    /// Rewrite archives inside of the archive (NAME.tar) as well: their bytes change, their members do not
    #[arg(long)]
    nested: bool,
    #[command(flatten)]
    layout: OutputArguments,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let started = Instant::now();
    let archive = Archive::find(&arguments.input, &arguments.store)?;
    let input = Input::open(archive.path())?;
    let mut progress = ProgressLine::new("align");
    let written =
        align(arguments, input, &mut progress).with_context(|| format!("align {}", arguments.input.display()))?;
    progress.finish();
    let summary = Summary { elapsed: started.elapsed(), frozen: None, moved: written.moved };
    summary.print(&arguments.output.to_string_lossy(), verbosity);
    Ok(())
}

fn align(arguments: &Arguments, input: Input, progress: &mut ProgressLine) -> Result<Written> {
    let Arguments { output, nested, layout, .. } = arguments;
    match input {
        Input::File(archive) => layout.write(output, |writer, _| {
            let depth = if *nested { NESTED_DEPTH } else { 0 };
            append_all(&archive, Reader::open(&archive)?, depth, writer, progress)
        }),
        Input::Stream(_) if *nested => bail!("--nested needs an archive in a file that is not compressed"),
        Input::Stream(stream) => layout.write(output, |writer, _| append_stream(*stream, writer, progress)),
    }
}

/// Archives in archives; what is deeper is data like any other.
const NESTED_DEPTH: u32 = 4;

fn append_all(
    archive: &File,
    entries: Reader<FileSource<'_>>,
    depth: u32,
    writer: &mut Writer<'_>,
    progress: &mut ProgressLine,
) -> Result<()> {
    for entry in entries {
        let entry = entry?;
        let before = writer.moved();
        if depth > 0 && is_archive(archive, &entry) {
            writer.append_nested(&entry.member, |writer| {
                append_all(archive, Reader::open_nested(archive, &entry)?, depth - 1, writer, progress)
            })?;
            continue;
        }
        writer.append_entry(&entry, archive)?;
        progress.count(writer.moved() - before);
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

fn append_stream(stream: Stream, writer: &mut Writer<'_>, progress: &mut ProgressLine) -> Result<()> {
    let mut reader = Reader::new(stream, Limits::default());
    while let Some(entry) = reader.next_entry()? {
        let before = writer.moved();
        writer.append_entry_from(&entry, reader.source_mut())?;
        progress.count(writer.moved() - before);
    }
    // Whoever writes the stream must not find it closed.
    reader.into_source().drain().context("read to the end")
}
