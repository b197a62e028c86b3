//! Captures what must be of one moment with the memory: the log, /dev/shm, the root filesystem's changes, the named
//! volumes. The container is frozen meanwhile.

use aligntar::{Timestamp, Writer};
use layerfs::Layers;

use super::CheckpointOptions;
use super::plan::CheckpointPlan;
use super::volume::Volume;
use crate::archive::own_member::file;
use crate::archive::{DEVSHM, LOG, limits};
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
        let taken = rootfs::append_in_podmans_form(layers, now, writer, progress)?;
        self.with_flags += taken.with_flags;
        self.rootfs = taken.for_manifest;
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
