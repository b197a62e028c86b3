//! What is taken in the frozen moment: the log, /dev/shm, the root filesystem's diff, the named volumes.

use aligntar::{Timestamp, WriteError, Writer};

use super::CheckpointOptions;
use super::own_member::file;
use super::plan::CheckpointPlan;
use crate::archive::{DELETED_FILES, DEVSHM, LOG, ROOTFS_DIFF};
use crate::engine::bundle;
use crate::progress::Progress;
use crate::rootfs::{self, CaptureError, CapturedTree, ManifestRootfs};

/// What went into the archive while the container was frozen.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) rootfs: ManifestRootfs,
    /// Those of volumes.
    pub(crate) sockets: Vec<String>,
    /// Places in which names changed meanwhile, with their number.
    in_motion: Vec<(String, usize)>,
}

impl Captured {
    /// A line for each place that others write to.
    pub(crate) fn written_by_others(&self) -> impl Iterator<Item = String> {
        self.in_motion.iter().map(|(place, changed)| {
            let files = if *changed == 1 { "a file" } else { &format!("{changed} files") };
            format!("others write to {place}: {files} changed or went while the archive was made")
        })
    }

    fn note(&mut self, place: String, changed: usize) {
        if changed > 0 {
            self.in_motion.push((place, changed));
        }
    }
}

/// Appends everything that must be of one moment with the memory. Members' headers carry `now`.
pub(crate) fn capture(
    plan: &CheckpointPlan,
    options: &CheckpointOptions,
    now: Timestamp,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Captured, CaptureError> {
    let mut captured = Captured::default();
    rootfs::capture_file_optional(bundle(&plan.facts), LOG, writer, progress)?;
    let shm = writer.append_nested(&file(DEVSHM, now, 0), |writer| match &plan.shm {
        Some(shm) => rootfs::capture_tree(shm, None, writer, progress),
        None => Ok(CapturedTree::default()),
    })?;
    captured.note("/dev/shm".into(), shm.changed);
    if !options.ignore_rootfs {
        let beside = writer
            .append_nested(&file(ROOTFS_DIFF, now, 0), |writer| rootfs::capture_diff(&plan.layers, writer, progress))?;
        let (deleted, for_manifest) = beside.split();
        append_deleted(&deleted, now, writer)?;
        captured.rootfs = for_manifest;
    }
    for volume in &plan.volumes {
        let tree = volume.capture(now, writer, progress)?;
        captured.note(format!("volume {}", volume.name), tree.changed);
        captured.sockets.extend(tree.sockets.iter().map(|path| format!("{}:{path}", volume.name)));
    }
    Ok(captured)
}

/// podman reads `deleted.files` if it is there; without deletions it is not.
fn append_deleted(deleted: &[String], now: Timestamp, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    if deleted.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(deleted).expect("strings are JSON");
    writer.append_bytes(&file(DELETED_FILES, now, json.len()), &json)
}
