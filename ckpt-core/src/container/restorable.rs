//! What a container needs to be restored. A checkpoint asks this before it stops the container, a restore before it
//! starts podman.
//!
//! Both ask it of [`Dumps`]: of what podman wrote into the archive, or of what it is going to write there.

mod mounts;
mod obstacle;

use std::path::Path;

use serde::Deserialize;

use crate::archive::ArchiveError;
use crate::archive::dumps::{self, Dumps};
use crate::container::privileges::{self, Host, Privilege};
use crate::engine::{Engine, EngineError};
use mounts::Mounts;
pub use obstacle::Obstacle;

/// Why it cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The values are none of podman's.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// podman has no answer.
    #[error(transparent)]
    Podman(#[from] EngineError),
}

/// The parts of podman's description of a container that its import trips over.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    rootfs: String,
    #[serde(rename = "Dependencies")]
    dependencies: Vec<String>,
    pod: String,
    secrets: Vec<Secret>,
}

/// One that is a file in the container; those in its environment are in its memory.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Secret {
    name: String,
}

/// Why podman can restore this container nowhere.
///
/// # Errors
/// [`ArchiveError`] where the values are none of podman's.
pub(crate) fn nowhere(dumps: &Dumps) -> Result<Option<Obstacle>, ArchiveError> {
    let config: Config = dumps.config()?;
    Ok(if !config.rootfs.is_empty() {
        Some(Obstacle::RootDirectory)
    } else if !config.dependencies.is_empty() {
        Some(Obstacle::Dependencies { on: config.dependencies })
    } else {
        None
    })
}

/// What this host lacks of what the container has mounted: `is_here` tells which sources there are.
///
/// # Errors
/// As [`nowhere`].
pub(crate) fn missing(dumps: &Dumps, is_here: impl Fn(&Path) -> bool) -> Result<Option<Obstacle>, ArchiveError> {
    Ok(Mounts::of(dumps)?.missing(is_here))
}

/// A secret that the engine has no longer, though it looks for it when it imports the container.
///
/// # Errors
/// [`LookError`].
pub(crate) fn missing_secret(engine: &dyn Engine, dumps: &Dumps) -> Result<Option<Obstacle>, LookError> {
    let config: Config = dumps.config()?;
    for Secret { name } in config.secrets {
        if !engine.has_secret(&name)? {
            return Ok(Some(Obstacle::NoSecret { name }));
        }
    }
    Ok(None)
}

/// What to know of a volume that has options, or a driver, of its own.
pub(crate) fn of_volume(name: &str) -> String {
    format!(
        "the volume {name} has a driver or options of its own, which a checkpoint does not keep: a restore makes an \
         ordinary volume with its files, unless you create it before and restore with --ignore-volumes"
    )
}

/// A pod takes its members back only where it is named.
///
/// # Errors
/// As [`nowhere`].
pub(crate) fn pod(dumps: &Dumps) -> Result<Option<Obstacle>, ArchiveError> {
    let config: Config = dumps.config()?;
    Ok((!config.pod.is_empty()).then_some(Obstacle::Pod))
}

/// Why the archive cannot be restored, if so, and what a restore will ask for otherwise: each is a line.
///
/// # Errors
/// As [`nowhere`].
pub(crate) fn concerns(dumps: &Dumps) -> Result<Vec<String>, ArchiveError> {
    let stays = |path: &Path| !path.to_str().is_some_and(dumps::is_passing);
    let obstacle = nowhere(dumps)?.or(missing(dumps, stays)?);
    let obstacles = obstacle.iter().map(|obstacle| format!("it cannot be restored: {obstacle}"));
    Ok(obstacles.chain(remarks(dumps)?).collect())
}

/// What a restore will ask for, in the words of who makes the archive: each is a line.
///
/// # Errors
/// As [`nowhere`].
pub(crate) fn remarks(dumps: &Dumps) -> Result<Vec<String>, ArchiveError> {
    let mut remarks: Vec<String> =
        pod(dumps)?.iter().map(|_| "it is in a pod: restore it with --pod".to_owned()).collect();
    let hazards = privileges::of(dumps, &Host::here())?.into_iter().filter(|granted| granted.privilege.is_hazard());
    remarks.extend(hazards.map(|granted| remark(&granted.privilege)));
    Ok(remarks)
}

fn remark(hazard: &Privilege) -> String {
    let what = match hazard {
        Privilege::HostProgram { .. } => "runs a program on the host",
        _ => "has podman write or remove a file of the host",
    };
    format!("it {what}, {hazard}: restore it with --trust")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn dumps(config: &Value, spec: &Value) -> Dumps {
        let read = |value: &Value| crate::archive::go_json::from_slice(value.to_string().as_bytes()).unwrap();
        Dumps::for_this_host("x.tar".as_ref(), read(config), read(spec))
    }

    #[test]
    fn what_podman_never_imports_is_known() {
        let found = |config: Value| nowhere(&dumps(&config, &json!({}))).unwrap();
        assert_eq!(found(json!({"rootfs": "", "Dependencies": [], "pod": ""})), None);
        assert_eq!(found(json!({"Dependencies": null, "pod": "p"})), None);
        assert_eq!(found(json!({"rootfs": "/srv"})), Some(Obstacle::RootDirectory));
        let on = vec!["ab".to_owned()];
        assert_eq!(found(json!({"dependencies": on, "pod": "p"})), Some(Obstacle::Dependencies { on }));
    }

    #[test]
    fn what_a_restore_will_ask_for_is_a_line_each() {
        let config = json!({"pod": "p", "runtime": "crun", "pid_file": "/run/a.pid", "healthLogDestination": "local"});
        let spec = json!({"annotations": {"io.podman.annotations.cid-file": "/srv/cid"}});
        let expected = [
            "it is in a pod: restore it with --pod",
            "it has podman write or remove a file of the host, /run/a.pid (pid_file): restore it with --trust",
            "it has podman write or remove a file of the host, /srv/cid (io.podman.annotations.cid-file): restore it with \
             --trust",
        ];
        assert_eq!(remarks(&dumps(&config, &spec)).unwrap(), expected);
        assert_eq!(remarks(&dumps(&json!({"runtime": "runc"}), &json!({}))).unwrap(), Vec::<String>::new());
    }
}
