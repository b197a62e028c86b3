//! Live mounts: the layers of an overlay from `/proc/<pid>/mountinfo`.

mod error;
mod escape;
mod options;
mod table;
mod uses;

use std::path::{Path, PathBuf};

use crate::bounded_read;
use crate::ids::{IdMap, IdRange, parse_proc_map};
use crate::layers::{LayerStore, Layers};
pub use error::MountsError;
pub use uses::{OverlayUse, uses_of};

/// The overlay mounts of a process, read anew for each question.
#[derive(Clone, Debug)]
pub struct OverlayMounts {
    proc: PathBuf,
    /// Whether that is another process, which may have another user namespace.
    is_other: bool,
}

/// A mount table is a list of short lines; the kernel's default limit is 100,000 mounts (`fs.mount-max`).
const TABLE_LIMIT: u64 = 1 << 30;

impl OverlayMounts {
    /// The mounts this process sees.
    pub fn new() -> Self {
        Self { proc: "/proc/self".into(), is_other: false }
    }

    /// The mounts another process sees; ask by the paths that it has for them. Layers are named as the mounter named
    /// them, owners are those of its user namespace.
    pub fn of_process(pid: u32) -> Self {
        Self { proc: format!("/proc/{pid}").into(), is_other: true }
    }

    fn layers(&self, merged: &Path) -> Result<Layers, MountsError> {
        let table = self.read("mountinfo")?;
        let mut layers = table::layers_in(&table, merged, &|path| path.is_dir())?;
        if self.is_other {
            layers.ids = IdMap { uids: self.id_ranges("uid_map")?, gids: self.id_ranges("gid_map")? };
            // Image layers are chowned, or mounted with the same map.
            let shifted = if layers.ids.is_identity() { 0 } else { layers.lowerdirs.len() };
            layers.lower_ids = vec![layers.ids.clone(); shifted];
        }
        Ok(layers)
    }

    fn id_ranges(&self, name: &str) -> Result<Vec<IdRange>, MountsError> {
        let text = self.read(name)?;
        let ranges = parse_proc_map(&String::from_utf8_lossy(&text));
        ranges.ok_or_else(|| MountsError::IdMap { path: self.proc.join(name) })
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, MountsError> {
        let path = self.proc.join(name);
        bounded_read::read_optional(&path, TABLE_LIMIT)?.ok_or(MountsError::NoTable { path })
    }
}

impl Default for OverlayMounts {
    fn default() -> Self {
        Self::new()
    }
}

impl LayerStore for OverlayMounts {
    type Error = MountsError;

    fn layers_at(&self, merged: &Path) -> Result<Layers, MountsError> {
        match self.layers(merged) {
            Err(MountsError::NotMounted { path }) => {
                // The table holds resolved paths; the caller's may lead through a symlink.
                let resolved = merged.canonicalize().ok().filter(|resolved| resolved != merged);
                let resolved = resolved.ok_or(MountsError::NotMounted { path })?;
                self.layers(&resolved)
            }
            answer => answer,
        }
    }
}
