//! Lists the containers that podman has.

use layerfs::ContainersStorage;
use serde::Deserialize;

use crate::engine::storage::StorageError;
use crate::engine::{Engine, EngineError, Podman};
use crate::host::interrupt::Interrupt;

/// A container of podman.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One of `podman ps --format json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    is_infra: bool,
}

/// All that run. Those that only hold a pod's namespaces are not among them: a pod makes one itself.
///
/// # Errors
/// [`EngineError`].
pub fn running(interrupt: Option<&Interrupt>) -> Result<Vec<Listed>, EngineError> {
    let lines: Vec<Line> = Podman::anyones()?.until(interrupt).json(&["ps", "--no-trunc", "--format", "json"])?;
    Ok(lines.into_iter().filter(|line| !line.is_infra).map(Listed::from).collect())
}

/// Names of all containers in the storage, in their order; also of those that buildah works in. No program is asked,
/// and nothing is written or locked: it takes no longer than reading a file.
///
/// # Errors
/// [`StorageError`] if the storage cannot be read.
pub fn recorded_names() -> Result<Vec<String>, StorageError> {
    let containers = ContainersStorage::from_storage_conf()?.containers()?;
    let mut names: Vec<String> = containers.into_iter().flat_map(|container| container.names).collect();
    names.sort();
    Ok(names)
}

/// The one made last, whether it runs or not.
///
/// # Errors
/// [`EngineError`]; `NoContainers` where there is none.
pub fn latest(interrupt: Option<&Interrupt>) -> Result<Listed, EngineError> {
    let arguments = ["ps", "--latest", "--no-trunc", "--format", "json"];
    let lines: Vec<Line> = Podman::anyones()?.until(interrupt).json(&arguments)?;
    lines.into_iter().next().map(Listed::from).ok_or(EngineError::NoContainers)
}

/// The one of this name or ID.
///
/// # Errors
/// [`EngineError`]; `UnknownContainer` where there is none.
pub fn named(name_or_id: &str, interrupt: Option<&Interrupt>) -> Result<Listed, EngineError> {
    let facts = Podman::anyones()?.until(interrupt).inspect(name_or_id)?;
    Ok(Listed { id: facts.id, name: facts.name })
}

impl From<Line> for Listed {
    fn from(line: Line) -> Self {
        let name = line.names.into_iter().next().unwrap_or_else(|| line.id.clone());
        Listed { id: line.id, name }
    }
}
