//! Copies what cannot be cloned while the container still runs: what is left for the freeze is what changes meanwhile.
//!
//! ```text
//! running: pass 1 copies all ─ synced ─ pass 2 copies what has changed ─ … ─ frozen: the last pass ─ running: settled
//! ```

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use aligntar::{ClonePolicy, WriteError, Writer, start_writeback};
use layerfs::XattrNamespace;

use super::plan::CheckpointPlan;
use super::volume::{Transfer, Volume};
use super::{CheckpointOptions, DumpError};
use crate::host::interrupt::Interrupt;
use crate::progress::{Phase, Progress};
use crate::rootfs;

/// Passes before the freeze, if the caller does not say how many. Each has to halve what the one before had to copy, so
/// all of them together copy less than twice what there is.
const PASSES: u32 = 5;

/// So little is copied in the freeze in a moment, bytes: no further pass is made for it.
const LITTLE: u64 = 4 << 20;

/// Memory at /dev/shm from this size on is worth passes where all else is cloned, bytes.
const MUCH_MEMORY: u64 = 64 << 20;

/// In it, some 50 MB are copied.
const PERIOD: Duration = Duration::from_millis(50);

/// What the passes did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rehearsal {
    /// Bytes that they copied, all of them.
    pub(super) copied_bytes: u64,
    /// Of them, by the last.
    pub(super) last_copied_bytes: u64,
    /// How long the last one took. The freeze does the same.
    pub(super) last_took: Duration,
}

/// Copies what cannot be cloned into `writer`, as often as that makes the freeze shorter. `None` if there is nothing to
/// copy, or nothing may be, or no pass is wanted.
pub(super) fn make(
    plan: &CheckpointPlan,
    options: &CheckpointOptions,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Option<Rehearsal>, DumpError> {
    let trees = copied_trees(plan, options);
    let passes = options.passes.unwrap_or(PASSES);
    if trees.is_empty() || passes == 0 || options.clone_policy == ClonePolicy::Required {
        return Ok(None);
    }
    progress.phase(Phase::Copy);
    let mut last = pass(&trees, plan, options.interrupt.as_ref(), writer, progress)?;
    for _ in 1..passes {
        let next = pass(&trees, plan, options.interrupt.as_ref(), writer, progress)?;
        let shrinks = next.last_copied_bytes <= last.last_copied_bytes / 2;
        last = Rehearsal { copied_bytes: last.copied_bytes + next.last_copied_bytes, ..next };
        if !shrinks || last.last_copied_bytes < LITTLE {
            break;
        }
    }
    writer.begin_last_pass()?;
    Ok(Some(last))
}

/// What is copied for want of clones, in the order of the archive.
fn copied_trees<'p>(plan: &'p CheckpointPlan, options: &CheckpointOptions) -> Vec<Tree<'p>> {
    let is_copied = !plan.can_clone() || options.clone_policy == ClonePolicy::Never;
    let plain = |root| Tree { root, overlay: None };
    let shm = plan.shm.as_deref().filter(|shm| is_copied || used_bytes(shm) > MUCH_MEMORY);
    let rootfs = Tree { root: &plan.layers.upperdir, overlay: Some(plan.layers.xattr_ns) };
    let rootfs = (is_copied && !options.ignore_rootfs).then_some(rootfs);
    let is_copied = |volume: &&Volume| is_copied || matches!(volume.transfer, Transfer::Copy);
    let volumes = plan.volumes.iter().filter(is_copied).map(|volume| volume.source.as_path());
    shm.map(plain).into_iter().chain(rootfs).chain(volumes.map(plain)).collect()
}

/// Of a file system of its own, in memory.
fn used_bytes(shm: &Path) -> u64 {
    rustix::fs::statvfs(shm).map_or(0, |space| (space.f_blocks - space.f_bfree) * space.f_frsize)
}

struct Tree<'t> {
    root: &'t Path,
    /// Of the upperdir.
    overlay: Option<XattrNamespace>,
}

fn pass(
    trees: &[Tree<'_>],
    plan: &CheckpointPlan,
    interrupt: Option<&Interrupt>,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Rehearsal, DumpError> {
    writer.begin_pass()?;
    let started = Instant::now();
    let is_interrupted = || interrupt.is_some_and(Interrupt::is_raised);
    written_out_meanwhile(plan.draft(), || {
        for tree in trees {
            rootfs::capture_in_motion(tree.root, tree.overlay, &is_interrupted, writer, progress)?;
            if is_interrupted() {
                return Err(DumpError::Interrupted);
            }
        }
        Ok(writer.flush()?)
    })?;
    let (took, copied) = (started.elapsed(), writer.moved().copied_bytes);
    // What is still to be written out would slow the freeze down.
    plan.draft().sync_data().map_err(|source| WriteError::Output { offset: 0, source })?;
    Ok(Rehearsal { copied_bytes: copied, last_copied_bytes: copied, last_took: took })
}

/// Has what comes to `draft` written out while `copy` goes on: the kernel begins by itself only when a tenth of the memory
/// is dirty, and what is not on the disk by the end has to be waited for.
fn written_out_meanwhile<T>(draft: &File, copy: impl FnOnce() -> T) -> T {
    let (stop, stopped) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut begun = 0;
            while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let length = draft.metadata().map_or(begun, |metadata| metadata.len());
                // What cannot be begun is written out at the end.
                let _ = start_writeback(draft, begun.min(length)..length);
                begun = length;
            }
        });
        let copied = copy();
        drop(stop);
        copied
    })
}
