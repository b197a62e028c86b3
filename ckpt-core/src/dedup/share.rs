//! Has the kernel share what is equal, part by part.

use std::ops::Range;
use std::os::unix::fs::FileExt;

use aligntar::{Alignment, Span, share_equal_range};
use schemars::JsonSchema;
use serde::Serialize;

use super::blocks::{Extents, Part, not_shared};
use super::equal::EqualRuns;
use super::error::DedupError;
use super::opened::Opened;
use super::own_extents::OwnExtents;
use super::plan::Plan;
use crate::host::interrupt::Interrupt;
use crate::progress::Progress;

/// What one look at the blocks, and one step of the progress, is for at most, bytes.
const STEP: u64 = 16 << 20;

/// What is looked at here before the kernel is asked to share its equal runs, bytes; the last one is followed to its end.
const PIECE: u64 = 1 << 20;

/// What is read of each at once for that, bytes; both fit into the cache of a processor core.
const READ: usize = 128 << 10;

/// What the kernel is asked to share at once at most, bytes. BTRFS takes no more, and splits extents there; below 1 MiB a
/// call costs more than its comparison.
const LARGEST_CALL: u64 = 16 << 20;

/// What was looked at, and what was shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Shared {
    /// Bytes that both archives have at the same place, by path, or by task and address: they might be equal.
    pub matched_bytes: u64,
    /// Bytes of them that the target shares with the source since before.
    pub already_shared_bytes: u64,
    /// Bytes of them that it shares from now on.
    pub shared_bytes: u64,
    /// Bytes that differ, or are equal for too short a stretch.
    pub different_bytes: u64,
    /// Bytes that might be equal, and cannot be shared since they do not lie on blocks.
    pub off_blocks_bytes: u64,
    /// Bytes of the target that differ and were written again, since they shared an extent with what is not needed any
    /// more. On BTRFS alone.
    pub rewritten_bytes: u64,
    /// How often the kernel was asked to share.
    pub calls: u64,
}

/// Two archives at work.
pub(super) struct Sharing<'o> {
    source: &'o Opened<'o>,
    target: &'o Opened<'o>,
    block: Alignment,
    interrupt: Option<&'o Interrupt>,
    own: OwnExtents<'o>,
    /// What the kernel is asked to share next, bytes: more where all was equal so far; `None` where it was not.
    reach: Option<u64>,
    buffers: [Vec<u8>; 2],
    shared: Shared,
}

impl<'o> Sharing<'o> {
    pub(super) fn new(
        source: &'o Opened<'o>,
        target: &'o Opened<'o>,
        block: Alignment,
        interrupt: Option<&'o Interrupt>,
    ) -> Result<Self, DedupError> {
        let own = OwnExtents::of(target, block)?;
        let buffers = [vec![0; READ], vec![0; READ]];
        let shared = Shared::default();
        Ok(Sharing { source, target, block, interrupt, own, reach: Some(PIECE), buffers, shared })
    }

    /// Shares what is equal of the plan.
    pub(super) fn run(mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<Shared, DedupError> {
        self.shared.matched_bytes = plan.bytes() + plan.off_blocks_bytes;
        self.shared.off_blocks_bytes = plan.off_blocks_bytes;
        let all = self.steps(plan, progress);
        // Also for what was shared until an interrupt: the next run would not find it any more.
        self.shared.rewritten_bytes = self.own.finish(progress);
        all.map(|()| self.shared)
    }

    fn steps(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), DedupError> {
        let total = plan.bytes();
        let (mut source_extents, mut target_extents) = (Extents::of(&self.source.file), Extents::of(&self.target.file));
        let mut done = 0;
        for step in plan.spans.iter().flat_map(|span| pieces(*span, STEP)) {
            let extents_error = |opened: &Opened<'_>| {
                let path = opened.path.to_owned();
                move |source| DedupError::Extents { path, source }
            };
            let source = source_extents.in_range(&range(step.source_offset, step.length));
            let target = target_extents.in_range(&range(step.target_offset, step.length));
            let source = source.map_err(extents_error(self.source))?;
            let target = target.map_err(extents_error(self.target))?;
            let (parts, already) = not_shared(step, source, target);
            self.shared.already_shared_bytes += already;
            for part in parts {
                self.part(part, progress)?;
            }
            done += step.length;
            progress.compared(done, total);
        }
        Ok(())
    }

    /// Shares what is equal in a part.
    fn part(&mut self, part: Part, progress: &mut dyn Progress) -> Result<(), DedupError> {
        self.own.enter(&part, progress);
        let mut rest = part.span;
        while rest.length > 0 {
            if self.interrupt.is_some_and(Interrupt::is_raised) {
                return Err(DedupError::Interrupted);
            }
            let done = match self.reach {
                Some(reach) => self.share_whole(rest.part(0, rest.length.min(reach)), reach)?,
                None => self.share_runs(rest)?,
            };
            rest = rest.part(done, rest.length - done);
        }
        Ok(())
    }

    /// Has a piece shared if all of it is equal; otherwise nothing is done, and it has to be looked at here.
    fn share_whole(&mut self, piece: Span, reach: u64) -> Result<u64, DedupError> {
        let is_equal = self.share(piece)?;
        self.reach = is_equal.then_some((2 * reach).min(LARGEST_CALL));
        Ok(if is_equal { piece.length } else { 0 })
    }

    /// Compares the beginning of `rest` here and has its equal runs shared; gives how much of it was looked at.
    fn share_runs(&mut self, rest: Span) -> Result<u64, DedupError> {
        let (length, runs) = self.compare(rest)?;
        let piece = rest.part(0, length);
        let mut equal = 0;
        for run in runs {
            let run = piece.part(run.start, run.end - run.start);
            // Unless somebody writes to one of them.
            equal += if self.share(run)? { run.length } else { 0 };
        }
        self.shared.different_bytes += piece.length - equal;
        self.reach = (equal == piece.length).then_some(PIECE);
        Ok(piece.length)
    }

    /// How much of `rest` was looked at, and its equal runs. It ends where a run does, which would look too short
    /// otherwise.
    fn compare(&mut self, rest: Span) -> Result<(u64, Vec<Range<u64>>), DedupError> {
        let mut runs = EqualRuns::new(self.block);
        let most = rest.length.min(LARGEST_CALL);
        while runs.length() < most && (runs.length() < PIECE || (1..PIECE).contains(&runs.equal_from())) {
            let at = runs.length();
            let length = (rest.length - at).min(READ as u64) as usize;
            let [one, other] = self.buffers.each_mut().map(|buffer| &mut buffer[..length]);
            read(self.source, one, rest.source_offset + at)?;
            read(self.target, other, rest.target_offset + at)?;
            runs.compare(one, other);
        }
        let goes_on = runs.length() < rest.length && runs.equal_from() >= PIECE;
        let end = if goes_on { runs.equal_from() } else { runs.length() };
        Ok((end, runs.until(end)))
    }

    /// Has the kernel share all of `span`; gives whether it is equal.
    fn share(&mut self, span: Span) -> Result<bool, DedupError> {
        let mut rest = span;
        while rest.length > 0 {
            self.shared.calls += 1;
            let (source, target) = (&self.source.file, &self.target.file);
            let shared = share_equal_range(source, rest.source_offset, rest.length, target, rest.target_offset);
            let shared = shared.map_err(|source| DedupError::Share {
                source_path: self.source.path.to_owned(),
                target: self.target.path.to_owned(),
                source,
            })?;
            let Some(bytes) = shared.filter(|bytes| *bytes > 0) else { return Ok(false) };
            let bytes = bytes.min(rest.length);
            self.shared.shared_bytes += bytes;
            self.own.shared(range(rest.target_offset, bytes));
            rest = rest.part(bytes, rest.length - bytes);
        }
        Ok(true)
    }
}

fn read(archive: &Opened<'_>, bytes: &mut [u8], offset: u64) -> Result<(), DedupError> {
    let read_error = |source| DedupError::Read { path: archive.path.to_owned(), offset, source };
    archive.file.read_exact_at(bytes, offset).map_err(read_error)
}

fn range(offset: u64, length: u64) -> Range<u64> {
    offset..offset + length
}

/// `span` in pieces of `length` bytes and a rest.
fn pieces(span: Span, length: u64) -> impl Iterator<Item = Span> {
    (0..span.length).step_by(length as usize).map(move |at| span.part(at, length.min(span.length - at)))
}
