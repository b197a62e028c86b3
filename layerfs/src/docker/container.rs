//! A container in Docker's records.

use std::path::PathBuf;

use serde::Deserialize;

use crate::ids::IdMap;

/// A container as Docker records it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DockerContainer {
    /// 64 hexadecimal digits.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its name, with a slash before it.
    #[serde(rename = "Name", default)]
    pub name: String,
    /// The storage driver it was made with.
    #[serde(rename = "Driver", default)]
    pub driver: String,
    /// The data root, or the folder for remapped IDs in it.
    #[serde(skip)]
    pub(super) data_root: PathBuf,
    /// Its user namespace.
    #[serde(skip)]
    pub(super) ids: IdMap,
}
