//! What containers that are made of one archive have in common, looked at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use layerfs::ContainersStorage;

use super::error::RestoreError;
use super::opening::Sources;
use super::options::RestoreOptions;
use super::{checks, image, lazy, nearby, parts};
use crate::archive::dumps::Dumps;
use crate::archive::{CheckpointArchive, ContainerConfig};
use crate::criu::page_server::Version;
use crate::engine::{Engine, Podman, storage};
use crate::host::interrupt::Interrupt;
use crate::progress::{Phase, Progress};
use crate::recovery::{leases, recover};

/// podman and its storage; only podmans that were tried, unless by `force`.
pub(super) fn host(force: bool, interrupt: Option<&Interrupt>) -> Result<(Podman, ContainersStorage), RestoreError> {
    let podman = Podman::for_root()?.until(interrupt);
    if !force {
        podman.check_tried()?;
    }
    let storage = storage::of_host(&podman)?;
    Ok((podman, storage))
}

/// The same, once what killed runs left is put right.
pub(crate) fn host_at_rest(
    force: bool,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<(Podman, ContainersStorage), RestoreError> {
    let (podman, storage) = host(force, interrupt)?;
    recover(&podman, &storage, interrupt, progress)?;
    Ok((podman, storage))
}

/// How many containers one archive is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One, with another name and ID or with its own.
    One,
    /// Any number, each with a name and an ID of its own.
    Copies,
}

/// Everything a restore needs to know of the archive and the host, whatever the new container is called.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) purpose: Purpose,
    pub(super) engine: Box<dyn Engine + Send + Sync>,
    /// The same, whose calls no interrupt ends: for what undoes.
    pub(super) undoing_engine: Box<dyn Engine + Send + Sync>,
    pub(super) storage: ContainersStorage,
    pub(super) archive: CheckpointArchive,
    /// The archive of the pre-checkpoint that it builds on.
    pub(super) previous: Option<File>,
    pub(super) config: ContainerConfig,
    /// The configuration for podman, but for the name, the ID and the volumes.
    pub(super) dumps: Dumps,
    /// The folder of this host's volumes, if the container has any.
    pub(super) volume_folder: Option<PathBuf>,
    /// Whether the container had the storage driver that it will have here.
    pub(super) is_of_overlay: bool,
    /// Whether it may not write to its root.
    pub(super) has_read_only_root: bool,
    /// Secrets mounted below /run/secrets, by their paths there.
    pub(super) secret_files: Vec<String>,
    /// Networks in which the container leases addresses.
    pub(super) networks: Vec<String>,
    /// The archive that its memory comes from when it runs; none where that comes before.
    pub(super) lazy_from: Option<Version>,
    /// Whether podman mounts memory at /dev/shm for it alone, which this program fills.
    pub(super) has_own_shm: bool,
    /// An archive with what podman itself puts in place once the container is made.
    pub(super) second_part: File,
}

impl Prepared {
    pub(super) fn look(
        options: &RestoreOptions,
        purpose: Purpose,
        progress: &mut dyn Progress,
    ) -> Result<Self, RestoreError> {
        let interrupt = options.interrupt.as_ref();
        let (podman, storage) = host_at_rest(options.force, interrupt, progress)?;
        progress.phase(Phase::Decompress);
        let Sources { archive, previous, config, mut dumps } = Sources::open(options, storage.graph_root())?;
        if purpose == Purpose::Copies && !archive.has_memory() {
            return Err(RestoreError::NothingToRun);
        }
        checks::check_way_back(options, &dumps, &podman)?;
        checks::check_privileges(options, &dumps)?;
        image::choose(options, &config, &mut dumps, (&storage, &podman), progress)?;
        let archive = match purpose {
            Purpose::One => archive,
            Purpose::Copies => nearby::bring(archive, storage.graph_root())?,
        };
        let volume_folder = volume_folder(&dumps, storage.graph_root(), &podman)?;
        if let Some(folder) = &volume_folder {
            dumps.move_volumes(folder);
        }
        dumps.follow_links();
        // A pod may have one for its members.
        let has_own_shm = config.has_own_shm() && options.pod.is_none();
        let has_new_id = purpose == Purpose::Copies || options.name.is_some();
        Ok(Prepared {
            purpose,
            undoing_engine: Box::new(podman.until(None)),
            networks: networks(options, &archive)?,
            second_part: parts::second(&archive, storage.graph_root(), has_new_id, !has_own_shm)?,
            has_own_shm,
            lazy_from: lazy::decide(options, &archive, progress)?,
            is_of_overlay: dumps.is_of_overlay(),
            has_read_only_root: dumps.has_read_only_root()?,
            secret_files: dumps.secret_files().to_vec(),
            engine: Box::new(podman),
            storage,
            archive,
            previous,
            config,
            dumps,
            volume_folder,
        })
    }
}

/// Those in which the container leases addresses; that of a pod's member is the pod's.
fn networks(options: &RestoreOptions, archive: &CheckpointArchive) -> Result<Vec<String>, RestoreError> {
    match options.pod {
        Some(_) => Ok(Vec::new()),
        None => Ok(leases::networks_of(archive)?),
    }
}

/// podman mounts named volumes from where they were, whatever store it has here. It is asked for its folder of volumes
/// only where that is in doubt: an answer takes it as long as a small restore. It makes the folder that it uses, and
/// only that.
fn volume_folder(dumps: &Dumps, graph_root: &Path, engine: &dyn Engine) -> Result<Option<PathBuf>, RestoreError> {
    let usual = Some(graph_root.join("volumes")).filter(|folder| folder.is_dir());
    match dumps.has_volumes_outside(usual.as_deref()) {
        true => Ok(Some(engine.store()?.volume_path)),
        false => Ok(usual),
    }
}
