//! The mount table: which mount is on top of a mount point.
//!
//! It has one mount per line (proc_pid_mountinfo(5)). Space, tab, newline and backslash are octal escapes:
//!
//! ```text
//! 36 35 0:31 / /merged rw,relatime shared:1 - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
//! id parent dev root mount-point options tags - type source super-options
//! ```

use std::path::{Path, PathBuf};

use super::error::MountsError;
use super::escape::{path_from, unescape_octal};
use super::options::OverlayOptions;
use crate::layers::Layers;

/// The layers of the topmost mount on `merged`. `is_dir` says whether a path is a directory on the disk.
pub(super) fn layers_in(table: &[u8], merged: &Path, is_dir: &dyn Fn(&Path) -> bool) -> Result<Layers, MountsError> {
    let mut topmost = None;
    for (index, line) in table.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let mount = Mount::parse(line).ok_or(MountsError::Malformed { line: index + 1 })?;
        if mount.point == merged {
            topmost = Some(mount);
        }
    }
    topmost.ok_or_else(|| MountsError::NotMounted { path: merged.into() })?.layers(is_dir)
}

/// The directories that each overlay in the table is made of, as the mounter named them, with its mount point.
pub(super) fn overlays_in(table: &[u8]) -> impl Iterator<Item = (PathBuf, Vec<PathBuf>)> {
    let mounts = table.split(|byte| *byte == b'\n').filter_map(Mount::parse);
    let overlays = mounts.filter(|mount| mount.fs_type == b"overlay");
    overlays.map(|mount| (mount.point, OverlayOptions::parse(mount.options).paths().cloned().collect()))
}

/// The fields of a line that are needed.
struct Mount<'a> {
    /// The directory or file that is mounted, as a path from the root of its file system.
    root: Vec<u8>,
    point: PathBuf,
    fs_type: &'a [u8],
    options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = unescape_octal(fields.nth(3)?);
        let point = fields.next()?;
        // The tags between are optional; a lone dash ends them.
        fields.find(|field| *field == b"-")?;
        let fs_type = fields.next()?;
        let options = fields.nth(1)?;
        Some(Self { root, point: path_from(unescape_octal(point)), fs_type, options })
    }

    fn layers(self, is_dir: &dyn Fn(&Path) -> bool) -> Result<Layers, MountsError> {
        match self.fs_type {
            b"overlay" => {
                let part = self.part()?;
                OverlayOptions::parse(self.options).into_layers(self.point, part, is_dir)
            }
            b"fuse.fuse-overlayfs" => Err(MountsError::FuseOverlayfs { path: self.point }),
            other => {
                let fs_type = String::from_utf8_lossy(other).into_owned();
                Err(MountsError::NotOverlay { path: self.point, fs_type })
            }
        }
    }
}

/// What the kernel writes behind the path of something deleted (`seq_dentry` in `fs/seq_file.c`).
const DELETED: &[u8] = b"//deleted";

impl Mount<'_> {
    /// Relative to the root of the overlay.
    fn part(&self) -> Result<PathBuf, MountsError> {
        if self.root.ends_with(DELETED) {
            return Err(MountsError::Deleted { path: self.point.clone() });
        }
        Ok(path_from(self.root.strip_prefix(b"/").unwrap_or(&self.root).to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::XattrNamespace;

    const TABLE: &[u8] = br"22 1 0:21 / / rw - btrfs /dev/sda rw
40 22 0:40 / /m rw - tmpfs tmpfs rw
41 40 0:41 / /m rw shared:5 master:2 - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w,metacopy=on
42 22 0:42 / /with\040space rw - overlay none rw,lowerdir=/l,upperdir=/u\054comma,workdir=/w,userxattr
43 22 0:43 / /ro rw - overlay none ro,lowerdir=/l1:/l2
45 22 0:41 /a/with\040space /part rw - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
46 22 0:41 /a//deleted /gone rw - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
44 22 0:44 / /fuse rw - fuse.fuse-overlayfs fuse-overlayfs rw
";

    fn layers(point: &str) -> Result<Layers, MountsError> {
        layers_in(TABLE, Path::new(point), &|_| false)
    }

    #[test]
    fn the_topmost_mount_on_a_point_answers() -> anyhow::Result<()> {
        let found = layers("/m")?;
        assert_eq!(found.merged.as_deref(), Some(Path::new("/m")));
        assert_eq!(found.part, Path::new(""));
        assert_eq!(found.upperdir, Path::new("/u"));
        assert_eq!(found.lowerdirs, [Path::new("/l1"), Path::new("/l2")]);
        assert_eq!(found.workdir.as_deref(), Some(Path::new("/w")));
        assert_eq!(found.xattr_ns, XattrNamespace::Trusted);
        Ok(())
    }

    #[test]
    fn escapes_and_userxattr_are_read() -> anyhow::Result<()> {
        let found = layers("/with space")?;
        assert_eq!(found.upperdir, Path::new("/u,comma"));
        assert_eq!(found.xattr_ns, XattrNamespace::User);
        Ok(())
    }

    #[test]
    fn a_bind_mount_is_a_part_of_its_overlay() -> anyhow::Result<()> {
        let found = layers("/part")?;
        assert_eq!((found.part.as_path(), found.upperdir.as_path()), (Path::new("a/with space"), Path::new("/u")));
        assert!(matches!(layers("/gone"), Err(MountsError::Deleted { .. })));
        Ok(())
    }

    #[test]
    fn every_overlay_is_told_with_its_directories() {
        let told: Vec<_> = overlays_in(TABLE).collect();
        assert_eq!(told.len(), 5, "{told:?}");
        let dirs = ["/u", "/w", "/l1", "/l2"].map(PathBuf::from).to_vec();
        assert_eq!(told[0], ("/m".into(), dirs));
        assert_eq!(told[2].1, ["/l1", "/l2"].map(PathBuf::from));
    }

    #[test]
    fn what_is_no_writable_overlay_is_named() {
        assert!(matches!(layers("/ro"), Err(MountsError::NoUpperdir { .. })));
        assert!(matches!(layers("/fuse"), Err(MountsError::FuseOverlayfs { .. })));
        assert!(matches!(layers("/"), Err(MountsError::NotOverlay { fs_type, .. }) if fs_type == "btrfs"));
        assert!(matches!(layers("/x"), Err(MountsError::NotMounted { .. })));
        assert!(matches!(layers_in(b"\n1 2 3\n", Path::new("/"), &|_| false), Err(MountsError::Malformed { line: 2 })));
    }
}
