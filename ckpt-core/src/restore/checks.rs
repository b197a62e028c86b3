//! What a restore checks before it starts podman.

use std::fs::File;
use std::path::Path;

use layerfs::ContainersStorage;

use super::error::RestoreError;
use super::options::RestoreOptions;
use super::planned_volumes::PlannedVolume;
use crate::archive::dumps::Dumps;
use crate::archive::maker::{Maker, Origin};
use crate::archive::{CheckpointArchive, ContainerConfig, PARENT, VOLUMES};
use crate::container::privileges::{self, Forgery, Host};
use crate::container::restorable::{self, Obstacle};
use crate::engine::Engine;

/// Archives of other engines have podman's members, and say other things in them.
pub(super) fn check_maker(archive: &CheckpointArchive) -> Result<(), RestoreError> {
    match Origin::of(archive)?.maker {
        Maker::Podman => Ok(()),
        maker => Err(RestoreError::NoWayBack(Obstacle::OtherEngine { maker })),
    }
}

/// The archive's own words become paths, and arguments of podman: they must be what podman would have written.
pub(super) fn check_config(config: &ContainerConfig) -> Result<(), RestoreError> {
    let is_id = config.id.len() == 64 && config.id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = std::iter::once(config.name.as_str()).chain(config.volume_names());
    match names.chain((!is_id).then_some(config.id.as_str())).find(|name| *name == config.id || !is_name(name)) {
        Some(name) => Err(RestoreError::BadName { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// The name that the caller gave must be one that podman would take as well.
pub(super) fn check_name(name: Option<&str>) -> Result<(), RestoreError> {
    match name.filter(|name| !is_name(name)) {
        Some(name) => Err(RestoreError::NoName { name: name.to_owned() }),
        None => Ok(()),
    }
}

/// podman's `NameRegex`: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-'))
}

/// The container may be allowed what it was allowed. But podman and CRIU themselves must do nothing else on the host
/// than they always do.
pub(super) fn check_privileges(options: &RestoreOptions, dumps: &Dumps) -> Result<(), RestoreError> {
    if let Some(Forgery { member, field, value }) = privileges::forgery(dumps)? {
        return Err(RestoreError::Forged { member, field, value });
    }
    let privileges = privileges::of(dumps, &Host::here())?;
    match privileges.into_iter().find(|granted| granted.privilege.is_hazard()) {
        Some(hazard) if !options.trust => Err(RestoreError::Hazard(hazard)),
        _ => Ok(()),
    }
}

/// Asks once more what the checkpoint asked before it was made: the archive may come from elsewhere.
pub(super) fn check_way_back(options: &RestoreOptions, dumps: &Dumps, engine: &dyn Engine) -> Result<(), RestoreError> {
    let pod = match options.pod {
        Some(_) => None,
        None => restorable::pod(dumps)?,
    };
    let obstacle = restorable::nowhere(dumps)?.or(pod).or(restorable::missing(dumps, Path::exists)?);
    let obstacle = obstacle.or(restorable::missing_secret(engine, dumps)?);
    obstacle.map_or(Ok(()), |obstacle| Err(RestoreError::NoWayBack(obstacle)))
}

pub(super) fn check_names(
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

/// Without the images it builds on, CRIU would take the memory that did not change since for zeros.
pub(super) fn check_previous(previous: Option<&File>, archive: &CheckpointArchive) -> Result<(), RestoreError> {
    match previous {
        None if archive.entry(PARENT).is_some() => Err(RestoreError::NoPrevious),
        _ => Ok(()),
    }
}

pub(super) fn check_volume_data(volumes: &[PlannedVolume], archive: &CheckpointArchive) -> Result<(), RestoreError> {
    let has_data = |volume: &PlannedVolume| archive.entry(&format!("{VOLUMES}{}.tar", volume.origin)).is_some();
    match volumes.iter().find(|volume| volume.is_filled && !has_data(volume)) {
        Some(volume) => Err(RestoreError::NoVolumeData { name: volume.origin.clone() }),
        None => Ok(()),
    }
}

pub(super) fn check_volumes(
    volumes: &[PlannedVolume],
    archive: &CheckpointArchive,
    engine: &dyn Engine,
) -> Result<(), RestoreError> {
    check_volume_data(volumes, archive)?;
    for PlannedVolume { origin, name, is_anonymous, .. } in volumes {
        // A name that was made up just now nobody has.
        let is_new = *is_anonymous && name != origin;
        if !is_new && engine.has_volume(name)? {
            let name = name.clone();
            return Err(match name == *origin {
                true => RestoreError::VolumeExists { name },
                false => RestoreError::CopysVolumeExists { name },
            });
        }
    }
    Ok(())
}
