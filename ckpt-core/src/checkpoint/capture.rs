//! Captures what must be of one moment with the memory: the log, /dev/shm, the root filesystem's changes, the named
//! volumes. The container is frozen meanwhile.

use aligntar::{Timestamp, Writer};
use layerfs::Layers;

use super::CheckpointOptions;
use super::own_member::file;
use super::plan::CheckpointPlan;
use super::volume::Volume;
use crate::archive::{DELETED_FILES, DEVSHM, LOG, ROOTFS_DIFF, limits};
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
    /// Files of all places whose flags are lost.
    with_flags: usize,
}

impl Captured {
    /// A line for each place that others write to.
    pub(crate) fn written_by_others(&self) -> impl Iterator<Item = String> {
        self.in_motion.iter().map(|(place, changed)| {
            let files = if *changed == 1 { "a file" } else { &format!("{changed} files") };
            format!("others write to {place}: {files} changed or went while the archive was made")
        })
    }

    /// A line if a restore makes files without the flags that they have.
    pub(crate) fn lost_flags(&self) -> Option<String> {
        let files = self.with_flags;
        (files > 0).then(|| {
            format!("of the files, {files} are immutable, append-only or nodump (lsattr), which a restore does not make them")
        })
    }

    /// Appends what `layers` change of the image.
    pub(super) fn add_rootfs(
        &mut self,
        layers: &Layers,
        now: Timestamp,
        writer: &mut Writer<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), CaptureError> {
        let supplement = writer
            .append_nested(&file(ROOTFS_DIFF, now, 0), |writer| rootfs::capture_diff(layers, writer, progress))?;
        self.with_flags += supplement.with_flags;
        let (deleted, for_manifest) = supplement.split();
        append_deleted(&deleted, now, writer)?;
        self.rootfs = for_manifest;
        Ok(())
    }

    /// Appends the files of `volumes`, but for those that have to be staged.
    pub(super) fn add_volumes(
        &mut self,
        volumes: &[Volume],
        now: Timestamp,
        writer: &mut Writer<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), CaptureError> {
        for volume in volumes {
            let tree = volume.capture(now, writer, progress)?;
            self.note(format!("volume {}", volume.name), tree.changed);
            self.with_flags += tree.with_flags;
            self.sockets.extend(tree.sockets.iter().map(|path| format!("{}:{path}", volume.name)));
        }
        Ok(())
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
    limits::shm_paths(shm.path_bytes)?;
    captured.note("/dev/shm".into(), shm.changed);
    captured.with_flags += shm.with_flags;
    if !options.ignore_rootfs {
        captured.add_rootfs(&plan.layers, now, writer, progress)?;
    }
    captured.add_volumes(&plan.volumes, now, writer, progress)?;
    Ok(captured)
}

/// podman reads `deleted.files` if it is there; without deletions it is not.
fn append_deleted(deleted: &[String], now: Timestamp, writer: &mut Writer<'_>) -> Result<(), CaptureError> {
    if deleted.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(deleted).expect("strings are JSON");
    limits::json(DELETED_FILES, &json)?;
    Ok(writer.append_bytes(&file(DELETED_FILES, now, json.len()), &json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::WriteOptions;

    #[test]
    fn more_deletions_than_a_restore_reads_are_refused() {
        let archive = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
        let now = Timestamp { secs: 0, nanos: 0 };
        let mut append = |deleted: Vec<String>| append_deleted(&deleted, now, &mut writer);
        append(vec!["/a".into(); 1 << 20]).unwrap();
        for (deleted, words) in [
            (vec!["/a".into(); (1 << 20) + 1], "deleted.files: 1048577 values, and it takes 1048576"),
            (vec!["n".repeat(64 << 20)], "deleted.files: 67108868 bytes, and it takes 67108864"),
        ] {
            let error = append(deleted).unwrap_err();
            assert!(matches!(&error, CaptureError::Oversize(_)) && error.to_string().ends_with(words), "{error}");
        }
    }
}
