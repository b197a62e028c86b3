//! What a restore will do, decided before podman is started.

use std::fs::File;
use std::path::{Path, PathBuf};

use aligntar::{Entry, WriteOptions, Writer};
use layerfs::ContainersStorage;

use super::{RestoreError, RestoreOptions};
use crate::archive::{
    CHECKPOINT, CONFIG_DUMP, CheckpointArchive, ContainerConfig, DELETED_FILES, LOG, MANIFEST, ROOTFS_DIFF, SPEC_DUMP,
    VOLUMES,
};
use crate::podman::Podman;
use crate::progress::{Phase, Progress};
use crate::session::NameLock;
use crate::storage;

/// Everything a restore needs to know.
#[derive(Debug)]
pub(crate) struct RestorePlan {
    pub(crate) podman: Podman,
    pub(crate) storage: ContainersStorage,
    pub(crate) archive: CheckpointArchive,
    pub(crate) config: ContainerConfig,
    /// Name or ID under which the new container is found.
    pub(crate) container: String,
    /// Volumes to fill.
    pub(crate) volumes: Vec<String>,
    /// An archive with what podman reads before it makes the container.
    pub(crate) first_part: File,
    /// An archive with what podman itself puts in place afterwards.
    pub(crate) second_part: File,
    /// Two restores under one name would take each other's container for their own.
    pub(crate) _name_lock: NameLock,
}

impl RestorePlan {
    pub(crate) fn make(options: &RestoreOptions, progress: &mut dyn Progress) -> Result<Self, RestoreError> {
        let podman = Podman::for_root()?;
        let storage = storage::of_host(&podman)?;
        progress.phase(Phase::Decompress);
        let archive = CheckpointArchive::open(&options.import, storage.graph_root())?;
        let config = archive.config()?;
        check_config(&config)?;
        let name_lock = NameLock::take(options.name.as_deref().unwrap_or(&config.name))?;
        check_names(options, &config, &storage)?;
        check_image(&config, &storage)?;
        let container = options.name.clone().unwrap_or_else(|| config.id.clone());
        let volumes = match options.ignore_volumes {
            true => Vec::new(),
            false => config.volume_names().map(str::to_owned).collect(),
        };
        check_volumes(&volumes, &archive, &podman)?;
        let graph_root = storage.graph_root();
        let first_part = part_of(&archive, graph_root, is_first, &[])?;
        let second_part = part_of(&archive, graph_root, is_second, &volumes)?;
        Ok(RestorePlan {
            podman,
            storage,
            archive,
            config,
            container,
            volumes,
            first_part,
            second_part,
            _name_lock: name_lock,
        })
    }
}

fn is_first(path: &[u8]) -> bool {
    path == CONFIG_DUMP.as_bytes() || path == SPEC_DUMP.as_bytes()
}

/// What neither this program puts in place nor podman has had already.
fn is_second(path: &[u8]) -> bool {
    let is_ours = [ROOTFS_DIFF, DELETED_FILES, MANIFEST, CHECKPOINT, LOG].map(str::as_bytes).contains(&path);
    let is_below = |folder: &str| path.starts_with(folder.as_bytes());
    !is_first(path) && !is_ours && !is_below(VOLUMES) && !is_below("checkpoint/") && !is_below("volumes")
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

/// podman's `NameRegex`: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
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

/// podman takes whatever image has the recorded name; a diff over other files is another container.
fn check_image(config: &ContainerConfig, storage: &ContainersStorage) -> Result<(), RestoreError> {
    if config.image_id.is_empty() {
        return Ok(());
    }
    let (name, id) = (config.image_name.clone(), config.image_id.clone());
    match storage.image(&name)? {
        None if storage.image(&id)?.is_some() => Err(RestoreError::UnnamedImage { name, id }),
        None => Err(RestoreError::NoImage { name, id }),
        Some(image) if image.id != id => Err(RestoreError::OtherImage { name, id, found: image.id }),
        Some(_) => Ok(()),
    }
}

fn check_volumes(volumes: &[String], archive: &CheckpointArchive, podman: &Podman) -> Result<(), RestoreError> {
    for name in volumes {
        if archive.entry(&format!("{VOLUMES}{name}.tar")).is_none() {
            return Err(RestoreError::NoVolumeData { name: name.clone() });
        }
        if podman.has_volume(name)? {
            return Err(RestoreError::VolumeExists { name: name.clone() });
        }
    }
    Ok(())
}

/// An archive for podman, made of the members that `wanted` picks, in a nameless file beside the storage: their data is
/// cloned into it. `volumes` get an empty archive each, podman fails without.
fn part_of(
    archive: &CheckpointArchive,
    folder: &Path,
    wanted: impl Fn(&[u8]) -> bool,
    volumes: &[String],
) -> Result<File, RestoreError> {
    let error = |source| RestoreError::Stage { folder: PathBuf::from(folder), source };
    let part = tempfile::tempfile_in(folder).map_err(error)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    for Entry { member, data_offset, .. } in archive.entries().filter(|entry| wanted(&entry.member.path)) {
        writer.append_file_at(member, archive.file(), *data_offset)?;
    }
    for name in volumes {
        let member =
            aligntar::Member::new(format!("{VOLUMES}{name}.tar"), aligntar::Kind::Regular { size: 1024 }, 0o600);
        writer.append_bytes(&member, &[0; 1024])?;
    }
    writer.finish()?;
    Ok(part)
}
