//! An archive of a container that does not run: its files, in podman's format but for CRIU's images. A restore makes
//! the container of it, and does not start it.
//!
//! podman describes a container only while it dumps one (`config.dump`, `spec.dump`). What describes this one comes out
//! of an earlier archive of the same.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aligntar::{ClonePolicy, Entry, Timestamp, Transferred, WriteError, WriteOptions, Writer};
use jiff::Timestamp as Now;
use layerfs::Layers;

use super::CheckpointReport;
use super::capture::Captured;
use super::precheck::special_volumes;
use super::volume::{Draft, Volume};
use crate::archive::manifest::{FORMAT_VERSION, Manifest, ManifestContainer, ManifestSave};
use crate::archive::own_member::file;
use crate::archive::{
    ARTIFACTS, ArchiveError, CONFIG_DUMP, CheckpointArchive, LOG, MANIFEST, Oversize, SPEC_DUMP, limits,
};
use crate::engine::storage::{self, StorageError};
use crate::engine::{ContainerFacts, Engine, EngineError};
use crate::host::output::{Output, OutputError};
use crate::progress::{Phase, Progress};
use crate::rootfs::{self, CaptureError};

/// Why there is no archive of a container that does not run. It is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AtRestError {
    /// podman has no answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its layers are not found.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The archive that describes it cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Files could not be taken.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A restore would refuse it.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// It could not get its name.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A folder could not be looked at.
    #[error("look at {}", path.display())]
    Look {
        /// The folder.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
}

/// What is there of the container.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remains<'r> {
    /// All of its files.
    Container(&'r ContainerFacts),
    /// Nothing but these volumes.
    Volumes(&'r [String]),
}

/// Makes the archive `path` of what remains of a container that the archive `described_by` is of.
///
/// # Atomicity
/// It appears under its name when it is whole and synced, or not at all.
pub(crate) fn checkpoint_at_rest(
    engine: &dyn Engine,
    remains: Remains<'_>,
    described_by: &CheckpointArchive,
    (path, save): (&Path, ManifestSave),
    clone_policy: ClonePolicy,
    progress: &mut dyn Progress,
) -> Result<CheckpointReport, AtRestError> {
    let started = Instant::now();
    progress.phase(Phase::Capture);
    let now = Timestamp { secs: Now::now().as_second(), nanos: 0 };
    let output = Output::create(path)?;
    let trees = Trees::of(engine, remains, output.file(), clone_policy)?;
    let mut writer = Writer::new(output.file(), WriteOptions { clone_policy, ..WriteOptions::default() })?;
    append_description(described_by, &mut writer)?;
    let captured = trees.append(now, &mut writer, progress)?;
    captured.written_by_others().chain(captured.lost_flags()).for_each(|line| progress.warning(&line));
    let mut manifest = manifest(remains, described_by, captured, save)?;
    manifest.count(writer.members(), writer.moved());
    let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is JSON");
    limits::json(MANIFEST, &json)?;
    writer.append_bytes(&file(MANIFEST, now, json.len()), &json)?;
    let written = writer.finish()?;
    output.publish()?;
    Ok(CheckpointReport {
        id: manifest.container.id,
        elapsed: started.elapsed(),
        frozen: None,
        observed_frozen: None,
        capture: started.elapsed(),
        expected_capture: Duration::ZERO,
        capture_moved: Transferred::default(),
        members: written.members,
        moved: written.moved,
        podman_stats: serde_json::Value::Null,
    })
}

/// The container's members that say what it is.
fn append_description(archive: &CheckpointArchive, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    let is_below = |path: &[u8]| path.strip_prefix(ARTIFACTS.as_bytes()).is_some_and(|below| below.starts_with(b"/"));
    let is_description =
        |path: &[u8]| [CONFIG_DUMP, SPEC_DUMP, ARTIFACTS].iter().any(|name| path == name.as_bytes()) || is_below(path);
    for Entry { member, data_offset, .. } in archive.entries().filter(|entry| is_description(&entry.member.path)) {
        writer.append_file_at(member, archive.file(), *data_offset)?;
    }
    Ok(())
}

fn manifest(
    remains: Remains<'_>,
    described_by: &CheckpointArchive,
    Captured { sockets, rootfs, .. }: Captured,
    save: ManifestSave,
) -> Result<Manifest, AtRestError> {
    let described: Manifest = described_by.json(MANIFEST)?.unwrap_or_default();
    let config = described_by.config()?;
    let special = match remains {
        Remains::Container(facts) => special_volumes(facts).into_iter().map(str::to_owned).collect(),
        Remains::Volumes(_) => Vec::new(),
    };
    Ok(Manifest {
        format_version: FORMAT_VERSION,
        tool: concat!("ckpt ", env!("CARGO_PKG_VERSION")).to_owned(),
        created: Now::now().to_string(),
        container: ManifestContainer { id: config.id, name: config.name },
        sockets,
        rootfs,
        special_volumes: special,
        flags: Vec::new(),
        frozen_us: None,
        without_memory: true,
        save: Some(save),
        ..described
    })
}

/// Where the files are.
struct Trees {
    bundle: Option<PathBuf>,
    layers: Option<Layers>,
    volumes: Vec<Volume>,
}

impl Trees {
    fn of(engine: &dyn Engine, remains: Remains<'_>, file: &File, policy: ClonePolicy) -> Result<Self, AtRestError> {
        match remains {
            Remains::Container(facts) => {
                let (storage, layers) = storage::of_container(engine, facts)?;
                // podman tells no bundle of one that was never started.
                let container = storage.container(&facts.id).map_err(StorageError::from)?;
                let bundle = container.map(|container| storage.userdata_dir(&container));
                let look = |source| AtRestError::Look { path: layers.upperdir.clone(), source };
                let storage_device = layers.upperdir.metadata().map_err(look)?.dev();
                let can_clone = storage::can_clone(&layers.upperdir, file)?;
                let volumes = Volume::of_container(facts, &Draft { file, storage_device, can_clone, policy });
                Ok(Trees { bundle, layers: Some(layers), volumes })
            }
            Remains::Volumes(names) => {
                // Of no device: it is tried for each of them.
                let draft = Draft { file, storage_device: 0, can_clone: false, policy };
                let places = engine.volume_mountpoints(names)?;
                let volumes = places.iter().map(|(name, data)| Volume::new(name, data, &draft)).collect();
                Ok(Trees { bundle: None, layers: None, volumes })
            }
        }
    }

    fn append(
        &self,
        now: Timestamp,
        writer: &mut Writer<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Captured, AtRestError> {
        let mut captured = Captured::default();
        if let Some(bundle) = &self.bundle {
            rootfs::capture_file_optional(bundle, LOG, writer, progress)?;
        }
        if let Some(layers) = &self.layers {
            captured.add_rootfs(layers, now, writer, progress)?;
        }
        captured.add_volumes(&self.volumes, now, writer, progress)?;
        for volume in &self.volumes {
            volume.append_staged(now, writer)?;
        }
        Ok(captured)
    }
}
