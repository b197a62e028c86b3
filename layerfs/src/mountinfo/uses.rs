//! Who has a directory mounted as a layer: the mount tables of all processes.
//!
//! An overlay that is mounted must not be written to beneath it, and its mount point need not be seen from here: an
//! engine may mount in a namespace of its own. What no process sees, a mount namespace that only a file holds, is not
//! found.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::TABLE_LIMIT;
use super::error::MountsError;
use super::table::overlays_in;
use crate::bounded_read;

/// An overlay that a directory is a layer of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverlayUse {
    /// A process that sees it.
    pub pid: u32,
    /// The inode number of its mount namespace.
    pub namespace: u64,
    /// The mount point, as that process sees it.
    pub point: PathBuf,
}

/// The overlays, in the mount namespaces of all processes, that have `dir` among their upper, work and lower
/// directories.
///
/// # Errors
/// [`MountsError::NoTable`] where there is no `/proc`, [`MountsError::Read`] if a mount table is longer than any.
pub fn uses_of(dir: &Path) -> Result<Vec<OverlayUse>, MountsError> {
    let no_table = |_| MountsError::NoTable { path: "/proc".into() };
    let (mut asked, mut uses) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir("/proc").map_err(no_table)?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(view) = View::of(&entry.path()) else { continue };
        if asked.contains(&view) {
            continue;
        }
        // Of a process that has ended meanwhile there is no table. Another one with the same view is asked then.
        let Some(table) = table_of(&entry.path())? else { continue };
        let is_used = |(point, layers): &(PathBuf, Vec<PathBuf>)| {
            layers.iter().any(|layer| is_same(dir, layer, point, &entry.path()))
        };
        let points = overlays_in(&table).filter(is_used);
        uses.extend(points.map(|(point, _)| OverlayUse { pid, namespace: view.namespace, point }));
        asked.insert(view);
    }
    Ok(uses.into_iter().collect())
}

/// What a process sees of its mount namespace: the table lists nothing outside of the root that chroot(2) gave it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct View {
    namespace: u64,
    root: (u64, u64),
}

impl View {
    fn of(proc: &Path) -> Option<Self> {
        let namespace = fs::metadata(proc.join("ns/mnt")).ok()?.ino();
        Some(View { namespace, root: identity(&proc.join("root"))? })
    }
}

/// None for a process that has ended.
fn table_of(proc: &Path) -> Result<Option<Vec<u8>>, MountsError> {
    match bounded_read::read_optional(&proc.join("mountinfo"), TABLE_LIMIT) {
        Err(bounded_read::ReadError::Read { .. }) => Ok(None),
        read => Ok(read?),
    }
}

/// Whether a layer of the overlay at `point` is the directory. The mounter may have seen another root than the one who
/// asks. What a relative path starts at, nobody recorded: it may be where the process is, or a folder above the mount
/// point, as with containers/storage; and an equal end counts.
fn is_same(dir: &Path, layer: &Path, point: &Path, proc: &Path) -> bool {
    let below_root = |path: &Path| proc.join("root").join(path.strip_prefix("/").unwrap_or(path));
    if layer.is_absolute() {
        return dir == layer || [below_root(layer), layer.to_owned()].iter().any(|path| is_same_inode(dir, path));
    }
    let above = point.ancestors().skip(1).map(below_root);
    dir.ends_with(layer) || above.chain([proc.join("cwd")]).any(|folder| is_same_inode(dir, &folder.join(layer)))
}

fn is_same_inode(one: &Path, other: &Path) -> bool {
    identity(one).is_some_and(|one| identity(other) == Some(one))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|stat| (stat.dev(), stat.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_known_by_its_inode_and_a_relative_one_by_where_it_may_start() {
        let dir = tempfile::tempdir().unwrap();
        let (upper, link) = (dir.path().join("layer/diff"), dir.path().join("link"));
        fs::create_dir_all(&upper).unwrap();
        std::os::unix::fs::symlink(&upper, &link).unwrap();
        std::os::unix::fs::symlink(&upper, dir.path().join("alias")).unwrap();
        let (point, proc) = (dir.path().join("layer/merged"), Path::new("/proc/self"));
        for (layer, expected) in [
            (upper.as_path(), true),
            (&link, true),
            (Path::new("layer/diff"), true),
            (Path::new("alias"), true),
            (Path::new("other/diff"), false),
            (dir.path(), false),
            (Path::new("/no/such/layer"), false),
        ] {
            assert_eq!(is_same(&upper, layer, &point, proc), expected, "{}", layer.display());
        }
        assert_eq!(uses_of(&upper).unwrap(), []);
    }
}
