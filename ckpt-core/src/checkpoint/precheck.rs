//! Refuses a container that a restore could not bring back, before anything is stopped.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use layerfs::ContainersStorage;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use super::{CheckpointError, CheckpointOptions};
use crate::archive::dumps;
use crate::container::restorable::{self, Obstacle};
use crate::container::running::dumps_of;
use crate::engine::{ContainerFacts, Engine, EngineError, Mount};
use crate::progress::Progress;

/// Passes a container that could be restored on this host, and warns of what that will ask for.
///
/// A container that is left running is not lost. What only this host lacks is a warning for it.
///
/// # Errors
/// [`CheckpointError::NoWayBack`].
pub(super) fn check(
    engine: &dyn Engine,
    facts: &ContainerFacts,
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<(), CheckpointError> {
    let dumps = dumps_of(facts, needed(engine, facts)?)?;
    let refused = |source| CheckpointError::NoWayBack { name: options.container.clone(), source };
    if let Some(obstacle) = restorable::nowhere(&dumps)? {
        return Err(refused(obstacle));
    }
    let stays = |path: &Path| path.exists() && !path.to_str().is_some_and(dumps::is_passing);
    match restorable::missing(&dumps, stays)?.or(restorable::missing_secret(engine, &dumps)?) {
        Some(obstacle) if options.leave_running => warn(progress, facts, &obstacle.to_string()),
        Some(obstacle) => return Err(refused(obstacle)),
        None => {}
    }
    restorable::remarks(&dumps)?.iter().for_each(|remark| warn(progress, facts, remark));
    let volumes = if options.ignore_volumes { BTreeSet::new() } else { special_volumes(facts) };
    volumes.into_iter().for_each(|name| warn(progress, facts, &restorable::of_volume(name)));
    Ok(())
}

/// Passes a container whose image is in the `storage`.
pub(super) fn check_image(
    facts: &ContainerFacts,
    storage: &ContainersStorage,
    options: &CheckpointOptions,
) -> Result<(), CheckpointError> {
    if options.leave_running
        || storage.image(&facts.image).map_err(crate::engine::storage::StorageError::from)?.is_some()
    {
        return Ok(());
    }
    let source = Obstacle::NoImage { name: facts.image_name.clone() };
    Err(CheckpointError::NoWayBack { name: options.container.clone(), source })
}

/// The other containers that it needs, without the one that holds its pod's namespaces.
fn needed(engine: &dyn Engine, facts: &ContainerFacts) -> Result<Vec<String>, EngineError> {
    match &facts.dependencies[..] {
        [only] if !facts.pod.is_empty() && engine.inspect(only)?.is_infra => Ok(Vec::new()),
        all => Ok(all.to_vec()),
    }
}

fn warn(progress: &mut dyn Progress, facts: &ContainerFacts, what: &str) {
    progress.warning(&format!("{}: {what}", facts.name));
}

/// Names of volumes that a restore makes without what they have of their own.
pub(super) fn special_volumes(facts: &ContainerFacts) -> BTreeSet<&str> {
    facts.mounts.iter().filter(|mount| has_options(mount)).map(|mount| mount.name.as_str()).collect()
}

/// The local driver mounts at a volume's folder what `--opt` says; other drivers' folders are anywhere.
fn has_options(mount: &Mount) -> bool {
    let is_volume = mount.kind == "volume";
    is_volume && (mount.driver != "local" || is_mount_point(&mount.source).is_ok_and(|is| is))
}

fn is_mount_point(path: &Path) -> io::Result<bool> {
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::empty())?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_told_from_a_folder() {
        assert!(is_mount_point(Path::new("/proc")).unwrap());
        assert!(!is_mount_point(tempfile::tempdir().unwrap().path()).unwrap());
    }
}
