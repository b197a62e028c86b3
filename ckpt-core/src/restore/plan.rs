//! What a restore will do, decided before podman is started.

use std::fs::File;
use std::path::Path;

use layerfs::ContainersStorage;

use super::{RestoreError, RestoreOptions, opening, parts};
use crate::archive::dumps::Dumps;
use crate::archive::{CheckpointArchive, ContainerConfig, NamedVolume, PARENT, VOLUMES};
use crate::container::privileges::{self, Forgery, Host};
use crate::container::restorable;
use crate::engine::storage::{self, StorageError};
use crate::engine::{Engine, Podman};
use crate::host::session::NameLock;
use crate::progress::{Phase, Progress};
use crate::recovery::journal::Begun;
use crate::recovery::{leases, recover};

/// Everything a restore needs to know.
#[derive(Debug)]
pub(crate) struct RestorePlan {
    pub(crate) engine: Box<dyn Engine>,
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
    /// An archive with what podman reads before it makes the container.
    pub(crate) first_part: File,
    /// An archive with what podman itself puts in place afterwards.
    pub(crate) second_part: File,
    /// Two restores under one name would take each other's container for their own.
    pub(crate) _name_lock: NameLock,
}

/// A volume to make and fill.
#[derive(Debug)]
pub(crate) struct PlannedVolume {
    pub(crate) name: String,
    /// Whether it goes with its container; those podman makes with the container alone.
    pub(crate) is_anonymous: bool,
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
        check_name(options)?;
        let interrupt = options.interrupt.as_ref();
        let podman = Podman::for_root()?.until(interrupt);
        if !options.force {
            podman.check_tried()?;
        }
        let storage = storage::of_host(&podman)?;
        recover(&podman, &storage, interrupt, progress)?;
        progress.phase(Phase::Decompress);
        let opened = opening::open(options)?;
        let previous = opening::open_previous(options)?;
        let (name, spool) = (options.import.name(), storage.graph_root());
        let archive = CheckpointArchive::read(opened, name, spool, interrupt)?;
        check_previous(previous.as_ref(), &archive)?;
        let config = archive.config()?;
        check_config(&config)?;
        let mut dumps = Dumps::of(&archive)?;
        check_way_back(options, &dumps, &podman)?;
        check_privileges(options, &dumps)?;
        let name_lock = NameLock::take(options.name.as_deref().unwrap_or(&config.name), interrupt, progress)?;
        check_names(options, &config, &storage)?;
        let image = find_image(options, &config, &storage, &podman)?;
        match &image {
            Image::Recorded => {}
            Image::Unnamed => dumps.set("rootfsImageName", &config.image_id),
            Image::Other(found) => {
                progress.warning(&other_image_warning(&config, found));
                dumps.set("rootfsImageID", found);
            }
        }
        check_layers(image.id(&config), &storage)?;
        let identity = parts::Identity::of(options, &config)?;
        let volumes = planned_volumes(options, &config);
        check_volumes(&volumes, &archive, &podman)?;
        let networks = match options.pod {
            // Its network is the pod's.
            Some(_) => Vec::new(),
            None => leases::networks_of(&archive)?,
        };
        let graph_root = storage.graph_root();
        if identity.is_new {
            dumps.set("id", &identity.id);
            dumps.set("name", &identity.name);
        }
        bring_volumes(&mut dumps, graph_root, &podman)?;
        dumps.follow_links();
        let first_part = parts::first(&dumps, graph_root)?;
        let second_part = parts::second(&archive, graph_root, &identity)?;
        Ok(RestorePlan {
            engine: Box::new(podman.until(None)),
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
            networks,
            first_part,
            second_part,
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
        ];
        lines.into_iter().filter(|(is_said, _)| *is_said).map(|(_, line)| line).collect()
    }
}

/// The archive's own words become paths, and arguments of podman: they must be what podman would have written.
fn check_config(config: &ContainerConfig) -> Result<(), RestoreError> {
    let is_id = config.id.len() == 64 && config.id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = std::iter::once(config.name.as_str()).chain(config.volume_names());
    match names.chain((!is_id).then_some(config.id.as_str())).find(|name| *name == config.id || !is_name(name)) {
        Some(name) => Err(RestoreError::BadName { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// The caller's word as well.
fn check_name(options: &RestoreOptions) -> Result<(), RestoreError> {
    match options.name.as_deref().filter(|name| !is_name(name)) {
        Some(name) => Err(RestoreError::NoName { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// podman's `NameRegex`: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
}

/// A container may be allowed what it was allowed; podman and CRIU themselves do on the host only what they always do.
fn check_privileges(options: &RestoreOptions, dumps: &Dumps) -> Result<(), RestoreError> {
    if let Some(Forgery { member, field, value }) = privileges::forgery(dumps)? {
        return Err(RestoreError::Forged { member, field, value });
    }
    let privileges = privileges::of(dumps, &Host::here())?;
    match privileges.into_iter().find(|granted| granted.privilege.is_hazard()) {
        Some(hazard) if !options.trust => Err(RestoreError::Hazard(hazard)),
        _ => Ok(()),
    }
}

/// What the checkpoint asked before it was made, asked again: archives come from elsewhere.
fn check_way_back(options: &RestoreOptions, dumps: &Dumps, engine: &dyn Engine) -> Result<(), RestoreError> {
    let pod = match options.pod {
        Some(_) => None,
        None => restorable::pod(dumps)?,
    };
    let obstacle = restorable::nowhere(dumps)?.or(pod).or(restorable::missing(dumps, Path::exists)?);
    let obstacle = obstacle.or(restorable::missing_secret(engine, dumps)?);
    obstacle.map_or(Ok(()), |obstacle| Err(RestoreError::NoWayBack(obstacle)))
}

fn check_names(
    options: &RestoreOptions,
    config: &ContainerConfig,
    storage: &ContainersStorage,
) -> Result<(), RestoreError> {
    let name = options.name.as_deref().unwrap_or(&config.name);
    let taken = match options.name {
        Some(_) => storage.container(name)?,
        None => storage.container(&config.id)?.or(storage.container(name)?),
    };
    match taken {
        Some(container) => Err(RestoreError::NameInUse { name: name.to_owned(), id: container.id }),
        None => Ok(()),
    }
}

/// The image to restore on.
enum Image {
    /// The recorded one, which podman finds by the recorded name.
    Recorded,
    /// The recorded one, which has that name no longer.
    Unnamed,
    /// Another one of that name, by its ID.
    Other(String),
}

impl Image {
    fn id<'i>(&'i self, config: &'i ContainerConfig) -> &'i str {
        match self {
            Image::Other(id) => id,
            _ => &config.image_id,
        }
    }
}

/// Sees to it that podman finds the image: it looks for the recorded name, and would pull that if it were not there, but
/// then takes the image of the recorded ID. A name that the storage does not know can be a reference of another form:
/// `sha256:ID`, `NAME@DIGEST`, the beginning of an ID.
fn find_image(
    options: &RestoreOptions,
    config: &ContainerConfig,
    storage: &ContainersStorage,
    engine: &dyn Engine,
) -> Result<Image, RestoreError> {
    let (name, id) = (config.image_name.clone(), config.image_id.clone());
    let is_here = storage.image(&id)?.is_some();
    match storage.image(&name)? {
        Some(image) if image.id == id || is_here => Ok(Image::Recorded),
        None if is_here => Ok(if engine.has_image(&name)? { Image::Recorded } else { Image::Unnamed }),
        None => Err(RestoreError::NoImage { name, id }),
        Some(image) if options.allow_image_mismatch => Ok(Image::Other(image.id)),
        Some(image) => Err(RestoreError::OtherImage { name, id, found: image.id }),
    }
}

fn other_image_warning(config: &ContainerConfig, found: &str) -> String {
    let ContainerConfig { image_name: name, image_id: id, .. } = config;
    format!(
        "{name} is {found} here, the container was made from {id}: its changed files go over other files now, and CRIU \
         refuses programs that are not the same"
    )
}

/// What the image's layers are like shows now, not when podman has made a container of them.
fn check_layers(image: &str, storage: &ContainersStorage) -> Result<(), RestoreError> {
    if let Some(layer) = storage.image(image)?.and_then(|image| image.layer) {
        storage.layers_of(&layer).map_err(StorageError::from)?;
    }
    Ok(())
}

/// Without the images it builds on, CRIU would take the memory that did not change since for zeros.
fn check_previous(previous: Option<&File>, archive: &CheckpointArchive) -> Result<(), RestoreError> {
    match previous {
        None if archive.entry(PARENT).is_some() => Err(RestoreError::NoPrevious),
        _ => Ok(()),
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

fn check_volumes(
    volumes: &[PlannedVolume],
    archive: &CheckpointArchive,
    engine: &dyn Engine,
) -> Result<(), RestoreError> {
    for PlannedVolume { name, .. } in volumes {
        if archive.entry(&format!("{VOLUMES}{name}.tar")).is_none() {
            return Err(RestoreError::NoVolumeData { name: name.clone() });
        }
        if engine.has_volume(name)? {
            return Err(RestoreError::VolumeExists { name: name.clone() });
        }
    }
    Ok(())
}
