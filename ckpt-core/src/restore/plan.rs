//! What a restore will do, decided before podman is started.

use std::fs::File;
use std::path::Path;

use layerfs::ContainersStorage;

use super::checks;
use super::error::RestoreError;
use super::image;
use super::opening::Sources;
use super::options::RestoreOptions;
use super::volumes::PlannedVolume;
use super::{lazy, parts};
use crate::archive::dumps::Dumps;
use crate::archive::{CheckpointArchive, ContainerConfig, NamedVolume};
use crate::criu::configuration::LAZY_PAGES;
use crate::engine::{Engine, Podman, storage};
use crate::host::session::NameLock;
use crate::host::waiting::Waiting;
use crate::progress::{Phase, Progress};
use crate::recovery::journal::Begun;
use crate::recovery::{leases, recover};

/// Everything a restore needs to know.
#[derive(Debug)]
pub(crate) struct RestorePlan {
    pub(crate) engine: Box<dyn Engine>,
    /// The same, whose calls no interrupt ends: for what undoes.
    pub(crate) undoing_engine: Box<dyn Engine>,
    pub(crate) storage: ContainersStorage,
    pub(crate) archive: CheckpointArchive,
    /// The archive of the pre-checkpoint that it builds on.
    pub(crate) previous: Option<File>,
    pub(crate) config: ContainerConfig,
    /// The name of the new container.
    name: String,
    /// The ID of the new container.
    pub(crate) id: String,
    /// Whether nobody else knows it.
    has_new_id: bool,
    /// Volumes to make and fill.
    pub(crate) volumes: Vec<PlannedVolume>,
    /// Whether the container had the storage driver that it will have here.
    pub(crate) is_of_overlay: bool,
    /// Secrets mounted below /run/secrets, by their paths there.
    pub(crate) secret_files: Vec<String>,
    /// Networks in which the container leases addresses.
    pub(crate) networks: Vec<String>,
    /// Whether its memory follows when it runs.
    pub(crate) is_lazy: bool,
    /// An archive with what podman reads before it makes the container.
    pub(crate) first_part: File,
    /// An archive with what podman itself puts in place afterwards.
    pub(crate) second_part: File,
    /// Two restores under one name would take each other's container for their own.
    pub(crate) _name_lock: NameLock,
}

impl RestorePlan {
    /// What a run in the folder `session` is about to make.
    pub(crate) fn begun(&self, session: &Path) -> Begun {
        let (anonymous, named): (Vec<_>, Vec<_>) = self.volumes.iter().partition(|volume| volume.is_anonymous);
        Begun {
            name: self.name.clone(),
            id: Some(self.id.clone()),
            has_new_id: self.has_new_id,
            volumes: named.into_iter().map(|volume| volume.name.clone()).collect(),
            anonymous_volumes: !anonymous.is_empty(),
            networks: self.networks.clone(),
            session: session.to_owned(),
        }
    }

    pub(crate) fn volume_names(&self) -> Vec<String> {
        self.volumes.iter().map(|volume| volume.name.clone()).collect()
    }

    pub(crate) fn make(options: &RestoreOptions, progress: &mut dyn Progress) -> Result<Self, RestoreError> {
        checks::check_name(options)?;
        let interrupt = options.interrupt.as_ref();
        let podman = Podman::for_root()?.until(interrupt);
        if !options.force {
            podman.check_tried()?;
        }
        let storage = storage::of_host(&podman)?;
        recover(&podman, &storage, interrupt, progress)?;
        progress.phase(Phase::Decompress);
        let Sources { archive, previous, config, mut dumps } = Sources::open(options, storage.graph_root())?;
        checks::check_way_back(options, &dumps, &podman)?;
        checks::check_privileges(options, &dumps)?;
        let wanted = options.name.as_deref().unwrap_or(&config.name);
        let name_lock = NameLock::take(wanted, &mut Waiting::new(interrupt, progress))?;
        checks::check_names(options, &config, &storage)?;
        image::choose(options, &config, &mut dumps, (&storage, &podman), progress)?;
        let volumes = planned_volumes(options, &config);
        checks::check_volumes(&volumes, &archive, &podman)?;
        let is_lazy = lazy::decide(options, &archive, progress)?;
        let identity = parts::Identity::of(options, &config)?;
        identity.put_into(&mut dumps);
        bring_volumes(&mut dumps, storage.graph_root(), &podman)?;
        dumps.follow_links();
        Ok(RestorePlan {
            undoing_engine: Box::new(podman.until(None)),
            engine: Box::new(podman),
            networks: networks(options, &archive)?,
            first_part: parts::first(&dumps, storage.graph_root())?,
            second_part: parts::second(&archive, storage.graph_root(), &identity)?,
            storage,
            archive,
            previous,
            config,
            name: identity.name,
            id: identity.id,
            has_new_id: identity.is_new,
            volumes,
            is_of_overlay: dumps.is_of_overlay(),
            secret_files: dumps.secret_files().to_vec(),
            is_lazy,
            _name_lock: name_lock,
        })
    }

    /// Lines for CRIU's configuration.
    pub(crate) fn criu_configuration(&self, options: &RestoreOptions) -> String {
        let lines = [
            // podman 5.4 has no `--tcp-close`, but its CRIU has.
            (options.tcp_close, "tcp-close\n"),
            // Storage drivers do not agree on the mode of an image's root, which is the directory of most tasks.
            (!self.is_of_overlay, "skip-file-rwx-check\n"),
            (self.is_lazy, LAZY_PAGES),
        ];
        lines.into_iter().filter(|(is_said, _)| *is_said).map(|(_, line)| line).collect()
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
fn bring_volumes(dumps: &mut Dumps, graph_root: &Path, engine: &dyn Engine) -> Result<(), RestoreError> {
    let usual = Some(graph_root.join("volumes")).filter(|folder| folder.is_dir());
    if dumps.has_volumes_outside(usual.as_deref()) {
        dumps.move_volumes(&engine.store()?.volume_path);
    }
    Ok(())
}

fn planned_volumes(options: &RestoreOptions, config: &ContainerConfig) -> Vec<PlannedVolume> {
    let volumes = config.volumes.iter().flatten().filter(|_| !options.ignore_volumes);
    let planned = |volume: &NamedVolume| PlannedVolume { name: volume.name.clone(), is_anonymous: volume.is_anonymous };
    volumes.map(planned).collect()
}
