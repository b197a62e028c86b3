//! The directories of one layer of a store, and of the layers below it, which its `lower` file names.
//!
//! containers/storage began as a copy of Docker's driver, so both keep them alike:
//!
//! ```text
//! overlay/LAYER/diff/             the layer's files
//! overlay/LAYER/link              the layer's short name
//! overlay/LAYER/lower             l/SHORT:l/SHORT…, top first, at most 500
//! overlay/LAYER/{work,merged}/    the other directories of the mount
//! overlay/l/SHORT -> ../LAYER/diff
//! ```

mod error;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::bounded_read;
use crate::layers::Layers;
pub use error::LayerDirError;

/// The most lower layers that containers/storage mounts (`maxDepth`).
const MAX_LOWERS: usize = 500;
/// 500 entries of 28 bytes, with room.
const LOWER_LIMIT: u64 = 64 << 10;
/// A link name has 26 characters.
const LINK_LIMIT: u64 = 4096;
/// The folder of short links, next to the layers.
const LINK_DIR: &str = "l";

/// The `overlay` folders of a store: its own first, then those of image stores.
pub(crate) struct LayerDirs {
    homes: Vec<PathBuf>,
    /// Layer directories by short name, from the `link` files. Read only when a link is missing.
    by_link_file: OnceCell<HashMap<String, PathBuf>>,
}

impl LayerDirs {
    pub(crate) fn new(homes: Vec<PathBuf>) -> Self {
        Self { homes, by_link_file: OnceCell::new() }
    }

    pub(crate) fn layers_of(&self, layer_id: &str) -> Result<Layers, LayerDirError> {
        let dir = self.layer_dir(layer_id)?;
        check_composefs(&dir)?;
        let mut lowerdirs = extra_diffs(&dir);
        lowerdirs.extend(self.lowerdirs(layer_id, &dir)?);
        if lowerdirs.is_empty() {
            // The driver mounts a layer without parent over this one.
            lowerdirs.push(dir.join("empty"));
        }
        let (merged, workdir) = (Some(dir.join("merged")), Some(dir.join("work")));
        Ok(Layers { merged, workdir, ..Layers::new(diff_of(&dir)?, lowerdirs) })
    }

    fn layer_dir(&self, layer_id: &str) -> Result<PathBuf, LayerDirError> {
        if !is_plain_name(layer_id) || layer_id == LINK_DIR {
            return Err(LayerDirError::BadLayerId { layer: layer_id.into() });
        }
        let found = self.homes.iter().map(|home| home.join(layer_id)).find(|dir| dir.is_dir());
        found.ok_or_else(|| LayerDirError::NoLayer { layer: layer_id.into() })
    }

    fn lowerdirs(&self, layer_id: &str, dir: &Path) -> Result<Vec<PathBuf>, LayerDirError> {
        let path = dir.join("lower");
        let Some(bytes) = bounded_read::read_optional(&path, LOWER_LIMIT)? else { return Ok(Vec::new()) };
        let mut lowerdirs = Vec::new();
        for entry in parse_lower(&bytes, &path)? {
            let lower = self.lower_layer(&entry)?.ok_or_else(|| LayerDirError::NoLowerLayer {
                layer: layer_id.into(),
                entry: format!("{LINK_DIR}/{entry}"),
            })?;
            check_composefs(&lower)?;
            lowerdirs.push(diff_of(&lower)?);
            lowerdirs.extend(extra_diffs(&lower));
        }
        Ok(lowerdirs)
    }

    /// The directory of the layer with this short name: by its link, or by the `link` files where the link is lost.
    fn lower_layer(&self, short: &str) -> Result<Option<PathBuf>, LayerDirError> {
        for home in &self.homes {
            if let Some(dir) = follow_link(home, short)? {
                return Ok(Some(dir));
            }
        }
        let by_link_file = match self.by_link_file.get() {
            Some(map) => map,
            None => {
                let map = self.read_link_files()?;
                self.by_link_file.get_or_init(|| map)
            }
        };
        Ok(by_link_file.get(short).cloned())
    }

    fn read_link_files(&self) -> Result<HashMap<String, PathBuf>, LayerDirError> {
        let mut map = HashMap::new();
        for home in &self.homes {
            let failed = |source| LayerDirError::Lookup { path: home.clone(), source };
            let entries = match home.read_dir() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let dir = entry.map_err(failed)?.path();
                if let Some(short) = read_link_file(&dir)? {
                    // The store asked first counts.
                    map.entry(short).or_insert(dir);
                }
            }
        }
        Ok(map)
    }
}

fn read_link_file(dir: &Path) -> Result<Option<String>, LayerDirError> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let bytes = bounded_read::read_optional(&dir.join("link"), LINK_LIMIT)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()).map(|short| short.trim_matches('\n').to_owned()))
}

/// The layer directory that `home/l/SHORT` leads to; `None` if the link is lost or leads nowhere.
fn follow_link(home: &Path, short: &str) -> Result<Option<PathBuf>, LayerDirError> {
    let link = home.join(LINK_DIR).join(short);
    let target = match link.read_link() {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LayerDirError::Lookup { path: link, source }),
    };
    // "../LAYER/diff": the layer is a neighbour of the link folder.
    let layer = match target.components().collect::<Vec<_>>()[..] {
        [Component::ParentDir, Component::Normal(layer), Component::Normal(diff)] if diff == "diff" => layer,
        _ => return Ok(None),
    };
    Ok(Some(home.join(layer)).filter(|dir| dir.is_dir()))
}

/// The short names in a `lower` file.
fn parse_lower(bytes: &[u8], path: &Path) -> Result<Vec<String>, LayerDirError> {
    let text = String::from_utf8_lossy(bytes);
    let entries: Vec<_> = text.trim_end_matches('\n').split(':').filter(|entry| !entry.is_empty()).collect();
    if entries.len() > MAX_LOWERS {
        return Err(LayerDirError::TooManyLowers { path: path.into(), count: entries.len() });
    }
    let short_name = |entry: &&str| {
        let short = entry.strip_prefix("l/").filter(|short| is_plain_name(short)).map(str::to_owned);
        short.ok_or_else(|| LayerDirError::BadLower { path: path.into(), entry: (*entry).into() })
    };
    entries.iter().map(short_name).collect()
}

fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(only)), None) if only == name)
}

/// `diff`, or where it leads: in an additional layer store it is an absolute symlink.
fn diff_of(dir: &Path) -> Result<PathBuf, LayerDirError> {
    let diff = dir.join("diff");
    let metadata = diff.symlink_metadata().map_err(|source| LayerDirError::Lookup { path: diff.clone(), source })?;
    if !metadata.is_symlink() {
        return Ok(diff);
    }
    diff.canonicalize().map_err(|source| LayerDirError::Lookup { path: diff, source })
}

/// `diff1`, `diff2`, … merge right below `diff` where they exist (`nameWithSuffix` in the driver).
fn extra_diffs(dir: &Path) -> Vec<PathBuf> {
    (1..).map(|number| dir.join(format!("diff{number}"))).take_while(|path| path.is_dir()).collect()
}

fn check_composefs(dir: &Path) -> Result<(), LayerDirError> {
    let blob = dir.join("composefs-data").join("composefs.blob");
    let exists = blob.try_exists().map_err(|source| LayerDirError::Lookup { path: blob, source })?;
    if exists {
        let layer = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(LayerDirError::Composefs { layer });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_files_list_short_names_top_first() -> anyhow::Result<()> {
        let path = Path::new("lower");
        assert_eq!(parse_lower(b"l/AAA:l/BBB", path)?, ["AAA", "BBB"]);
        assert_eq!(parse_lower(b"l/AAA\n", path)?, ["AAA"]);
        assert!(parse_lower(b"", path)?.is_empty());
        for bad in ["AAA", "l/", "l/../x", "l/..", "/l/AAA", "l/A/B"] {
            let parsed = parse_lower(bad.as_bytes(), path);
            assert!(matches!(parsed, Err(LayerDirError::BadLower { .. })), "{bad}");
        }
        let many = vec!["l/A"; MAX_LOWERS + 1].join(":");
        let parsed = parse_lower(many.as_bytes(), path);
        assert!(matches!(parsed, Err(LayerDirError::TooManyLowers { count: 501, .. })));
        Ok(())
    }
}
