//! `dedup`: what is equal in two archives lies on the disk once, and both stay whole.
//!
//! Each archive is compared with the one before it:
//!
//! | of | with | by |
//! |---|---|---|
//! | memory of a task | that of the task with the same ID | address, through both page maps |
//! | shared memory | that with the same ID in CRIU's images, or else in the same place of the list | the same |
//! | files, those in nested archives too | the file of the same path and length | place in the file |
//!
//! These are guesses. The kernel compares what is to be shared, while nobody can write to it (FIDEDUPERANGE): a wrong
//! guess, or an archive that lies, costs time and never a byte. The archives are opened for reading alone. Killed at any
//! moment, this leaves them as they were, with more or fewer blocks in common.
//!
//! ```text
//! contents ── memory, files ──▶ plan ── compare: which blocks are not shared yet, which are equal ──▶ share
//!                                                        own_extents: on BTRFS, what stays the target's own ◀─┘
//! ```

mod blocks;
mod contents;
mod equal;
mod error;
mod files;
mod memory;
mod opened;
mod own_extents;
mod plan;
mod share;

use std::time::{Duration, Instant};

use aligntar::Alignment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::Import;
use crate::host::byte_path::BytePath;
use crate::host::interrupt::Interrupt;
use crate::progress::Progress;
use contents::Contents;
pub use error::DedupError;
use opened::{Opened, check};
use plan::Plan;
pub use share::Shared;
use share::Sharing;

/// Which archives, and until when.
#[derive(Clone, Debug, Default)]
pub struct DedupOptions {
    /// At least two, none of them compressed, all on one file system. The first keeps its blocks; each of the others
    /// gets those of the one before it.
    pub archives: Vec<Import>,
    /// Ends the work. What is shared by then stays so.
    pub interrupt: Option<Interrupt>,
}

/// What became of two archives.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PairReport {
    /// The one whose blocks both have now.
    pub source: BytePath,
    /// The other one.
    pub target: BytePath,
    /// What was looked at, and what was shared.
    #[serde(flatten)]
    pub shared: Shared,
    /// How long it took.
    #[serde(rename = "elapsed_us", serialize_with = "microseconds")]
    #[schemars(with = "u64")]
    pub elapsed: Duration,
}

fn microseconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

/// Has each archive share with the one before it what is equal in both; gives a report for each pair.
///
/// # Errors
/// [`DedupError`]; what is shared by then stays so.
pub fn dedup(options: &DedupOptions, progress: &mut dyn Progress) -> Result<Vec<PairReport>, DedupError> {
    let interrupt = options.interrupt.as_ref();
    let opened = options.archives.iter().map(Opened::open).collect::<Result<Vec<_>, _>>()?;
    let [first, others @ ..] = &opened[..] else { return Err(DedupError::TooFew) };
    for pair in opened.windows(2) {
        check(&pair[0], &pair[1])?;
    }
    let mut reports = Vec::with_capacity(others.len());
    let (mut source, mut source_contents) = (first, Contents::read(first, interrupt)?);
    for target in others {
        let contents = Contents::read(target, interrupt)?;
        reports.push(pair(source, &source_contents, target, &contents, interrupt, progress)?);
        (source, source_contents) = (target, contents);
    }
    Ok(reports)
}

fn pair(
    source: &Opened<'_>,
    source_contents: &Contents,
    target: &Opened<'_>,
    target_contents: &Contents,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<PairReport, DedupError> {
    let started = Instant::now();
    let mut spans = plan::Spans::default();
    memory::add(source, source_contents, target, target_contents, &mut spans)?;
    files::add(source_contents, target_contents, &mut spans);
    let block = Alignment::of(&target.file)?;
    let plan = Plan::new(spans, block, source_contents.archive_len, target_contents.archive_len);
    if plan.off_blocks_bytes > plan.bytes() {
        progress.warning(&off_blocks(source, source_contents, target, target_contents, block));
    }
    let shared = Sharing::new(source, target, block, interrupt)?.run(&plan, progress)?;
    Ok(PairReport {
        source: BytePath(source.path.to_owned()),
        target: BytePath(target.path.to_owned()),
        shared,
        elapsed: started.elapsed(),
    })
}

/// What to do about archives whose data does not lie on blocks.
fn off_blocks(
    source: &Opened<'_>,
    source_contents: &Contents,
    target: &Opened<'_>,
    target_contents: &Contents,
    block: Alignment,
) -> String {
    let off: Vec<String> = [(source, source_contents), (target, target_contents)]
        .into_iter()
        .filter(|(_, contents)| !contents.is_on_blocks(block))
        .map(|(opened, _)| opened.path.display().to_string())
        .collect();
    format!(
        "data that does not lie on blocks cannot be shared, and most of {} does not: `ckpt align` makes an archive in \
         which it does",
        off.join(" and of ")
    )
}
