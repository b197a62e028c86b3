//! Containers, images and layers as the store records them: the fields needed of them.

use std::path::Path;

use serde::{Deserialize, Deserializer};

use super::error::ContainersStorageError;
use crate::ids::{IdMap, IdRange};

/// A container as the store records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// All its names.
    pub names: Vec<String>,
    /// Its writable layer.
    pub layer: String,
    /// The image it was made from; empty for one made from a root filesystem.
    pub image: String,
    /// Its user namespace.
    pub ids: IdMap,
}

/// An image as the store records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// 64 hexadecimal digits.
    pub id: String,
    /// All its names, with registry and tag.
    pub names: Vec<String>,
    /// Its top layer; an image without files has none.
    pub layer: Option<String>,
}

/// A record of `containers.json`, `images.json` or `layers.json`; they share these fields.
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) names: Vec<String>,
    #[serde(default)]
    layer: String,
    #[serde(default)]
    image: String,
    #[serde(rename = "uidmap", default, deserialize_with = "null_as_default")]
    uids: Vec<IdRange>,
    #[serde(rename = "gidmap", default, deserialize_with = "null_as_default")]
    gids: Vec<IdRange>,
}

impl Record {
    /// Parses a whole file. Go writes an empty list as `null`.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Self>, ContainersStorageError> {
        let records: Option<Vec<Self>> = serde_json::from_slice(bytes)
            .map_err(|source| ContainersStorageError::Json { path: path.into(), source })?;
        Ok(records.unwrap_or_default())
    }
}

impl From<Record> for Container {
    fn from(Record { id, names, layer, image, uids, gids }: Record) -> Self {
        Self { id, names, layer, image, ids: IdMap { uids, gids } }
    }
}

impl Record {
    /// Of a layer: how its owners on the disk are shifted.
    pub(super) fn into_ids(self) -> IdMap {
        IdMap { uids: self.uids, gids: self.gids }
    }
}

impl From<Record> for Image {
    fn from(Record { id, names, layer, .. }: Record) -> Self {
        Self { id, names, layer: Some(layer).filter(|layer| !layer.is_empty()) }
    }
}

fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_s_json_is_read() -> anyhow::Result<()> {
        let json =
            br#"[{"id":"aa","names":["web"],"image":"ii","layer":"ll","metadata":"{}","created":"2024-01-01T00:00:00Z",
                        "uidmap":[{"container_id":0,"host_id":7,"size":9}],"gidmap":null},
                        {"id":"bb","names":null,"layer":""}]"#;
        let records = Record::parse(json, Path::new("containers.json"))?;
        let containers: Vec<Container> = records.into_iter().map(Container::from).collect();
        let ids = IdMap { uids: vec![IdRange { container_id: 0, host_id: 7, size: 9 }], gids: Vec::new() };
        let web = Container { id: "aa".into(), names: vec!["web".into()], layer: "ll".into(), image: "ii".into(), ids };
        assert_eq!(containers[0], web);
        assert!(containers[1].names.is_empty());
        assert!(Record::parse(b"null", Path::new("x"))?.is_empty());
        Ok(())
    }

    #[test]
    fn other_json_is_an_error_that_names_the_file() {
        for json in [&b"{}"[..], b"", b"[{}]", b"[{\"id\":7}]"] {
            let parsed = Record::parse(json, Path::new("images.json"));
            assert!(
                matches!(parsed, Err(ContainersStorageError::Json { path, .. }) if path == Path::new("images.json"))
            );
        }
    }
}
