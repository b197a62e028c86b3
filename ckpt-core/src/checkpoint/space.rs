//! The space on the disk that an archive is expected to need, told and checked before the container is touched.

use std::fs::{self, File};

use rustix::fs::fstatvfs;

use super::CheckpointError;
use super::estimate::Estimate;
use super::plan::CheckpointPlan;
use crate::engine::cgroup::in_cgroup_of;
use crate::progress::Progress;

/// Below this, bytes, file systems begin to refuse clones: XFS does so where a group of blocks has no more than its reserve.
const FOR_CLONES: u64 = 32 << 20;

/// Tells `progress`, and passes what fits where the archive is made, and where it goes. Uncompressed, it takes as much there,
/// and files that cannot be cloned to there take more.
///
/// # Errors
/// [`CheckpointError::NoRoom`]; that the kernel does not say how much is free.
pub(super) fn check(
    plan: &CheckpointPlan,
    estimate: &Estimate,
    progress: &mut dyn Progress,
) -> Result<(), CheckpointError> {
    let needed = estimate.copied_bytes + memory_of(&plan.facts.id);
    let places = [Some(plan.draft()), plan.output.file()].into_iter().flatten();
    let free = places.map(free_bytes).collect::<Result<Vec<_>, _>>()?.into_iter().min().unwrap_or(u64::MAX);
    progress.space(needed, free);
    match needed > free {
        true => Err(CheckpointError::NoRoom { needed, free }),
        false => Ok(()),
    }
}

/// Whether the archive fits where it would be staged, by clones of all that is large.
pub(super) fn is_enough_to_stage(plan: &CheckpointPlan, estimate: &Estimate) -> Result<bool, CheckpointError> {
    let needed = estimate.written_bytes + memory_of(&plan.facts.id) + FOR_CLONES;
    Ok(free_bytes(plan.draft())? >= needed)
}

fn free_bytes(file: &File) -> Result<u64, CheckpointError> {
    let space = fstatvfs(file).map_err(|errno| CheckpointError::Estimate { source: errno.into() })?;
    Ok(space.f_bavail * space.f_frsize)
}

/// Bytes of memory that CRIU will write for the processes of the container `id`: their own, in memory or swapped out,
/// and what the largest of them shares with the others.
fn memory_of(id: &str) -> u64 {
    let (mut own, mut shared) = (0, 0);
    for pid in in_cgroup_of(id) {
        // Of a process that is gone, nothing.
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        own += field(&status, "RssAnon") + field(&status, "VmSwap");
        shared = field(&status, "RssShmem").max(shared);
    }
    own + shared
}

/// A field of proc_pid_status(5), in bytes.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tsh\nVmSwap:\t       8 kB\nRssAnon:\t     104 kB\nRssAnonX:\t1 kB\n";
        for (name, bytes) in [("RssAnon", 104 << 10), ("VmSwap", 8 << 10), ("RssShmem", 0)] {
            assert_eq!(field(status, name), bytes, "{name}");
        }
    }
}
