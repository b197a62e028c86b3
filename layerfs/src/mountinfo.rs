//! Live mounts: the layers of an overlay from `/proc/<pid>/mountinfo`.
//!
//! One mount per line (proc_pid_mountinfo(5)), space, tab, newline and backslash as octal escapes:
//!
//! ```text
//! 36 35 0:31 / /merged rw,relatime shared:1 - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
//! id parent dev root mount-point options tags - type source super-options
//! ```

mod options;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::bounded_read::{self, ReadError};
use crate::ids::{IdMap, IdRange, parse_proc_map};
use crate::store::{LayerStore, Layers, StoreError};
use options::OverlayOptions;

/// A mount table has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountsError {
    /// The mount table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The process is gone, or there is no `/proc`.
    #[error("there is no mount table {}", path.display())]
    NoTable {
        /// The file looked for.
        path: PathBuf,
    },
    /// The map of a user namespace is not as the kernel writes it.
    #[error("{} is malformed", path.display())]
    IdMap {
        /// The file.
        path: PathBuf,
    },
    /// A line has too few fields.
    #[error("line {line} of the mount table is malformed")]
    Malformed {
        /// Counted from 1.
        line: usize,
    },
    /// Nothing is mounted there.
    #[error("nothing is mounted on {}", path.display())]
    NotMounted {
        /// The path asked for.
        path: PathBuf,
    },
    /// What is mounted there is not an overlay of the kernel.
    #[error("the mount on {} is of type {fs_type}, not overlay", path.display())]
    NotOverlay {
        /// The mount point.
        path: PathBuf,
        /// The filesystem type.
        fs_type: String,
    },
    /// A user-space overlay, whose layers the mount table does not tell.
    #[error("the mount on {} is made by fuse-overlayfs", path.display())]
    FuseOverlayfs {
        /// The mount point.
        path: PathBuf,
    },
    /// A read-only overlay: there is no upperdir.
    #[error("the overlay on {} has no upperdir", path.display())]
    NoUpperdir {
        /// The mount point.
        path: PathBuf,
    },
    /// A bind mount of something that was deleted since.
    #[error("what is mounted on {} was deleted from its overlay", path.display())]
    Deleted {
        /// The mount point.
        path: PathBuf,
    },
    /// Layers were given relative to the working directory of whoever mounted, and no folder, or more than one, fits.
    #[error("the overlay on {} has the relative layer {}, and it cannot be told relative to what", path.display(), option.display())]
    RelativeLayer {
        /// The mount point.
        path: PathBuf,
        /// The first relative one.
        option: PathBuf,
    },
}

/// The overlay mounts of a process, read anew for each question.
#[derive(Clone, Debug)]
pub struct OverlayMounts {
    proc: PathBuf,
    /// Whether that is another process, in whose user namespace this one may not be.
    is_other: bool,
}

/// A mount table is a list of short lines; the kernel's default limit is 100,000 mounts (`fs.mount-max`).
const TABLE_LIMIT: u64 = 1 << 30;

impl OverlayMounts {
    /// The mounts this process sees.
    pub fn new() -> Self {
        Self { proc: "/proc/self".into(), is_other: false }
    }

    /// The mounts another process sees; ask for them by its paths. The layers come out as whoever mounted named them,
    /// owners as its user namespace has them.
    pub fn of_process(pid: u32) -> Self {
        Self { proc: format!("/proc/{pid}").into(), is_other: true }
    }

    fn layers(&self, merged: &Path) -> Result<Layers, MountsError> {
        let table = self.read("mountinfo")?;
        let mut layers = layers_in(&table, merged, &|path| path.is_dir())?;
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
    fn layers_at(&self, merged: &Path) -> Result<Layers, StoreError> {
        match self.layers(merged) {
            Err(MountsError::NotMounted { path }) => {
                // The table holds resolved paths; the caller's may lead through a symlink.
                let resolved = merged.canonicalize().ok().filter(|resolved| resolved != merged);
                let resolved = resolved.ok_or(MountsError::NotMounted { path })?;
                Ok(self.layers(&resolved)?)
            }
            answer => Ok(answer?),
        }
    }
}

/// Finds the topmost mount on `merged` in a mount table. `is_dir` answers for the disk.
fn layers_in(table: &[u8], merged: &Path, is_dir: &dyn Fn(&Path) -> bool) -> Result<Layers, MountsError> {
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

/// What is needed of one line.
struct Mount<'a> {
    /// What of the file system is mounted, from its root.
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

/// The kernel's mark on what has no name any more (`seq_dentry` in `fs/seq_file.c`).
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

fn path_from(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// Undoes the kernel's `mangle_path` and `seq_escape`: `\` and three octal digits stand for a byte.
fn unescape_octal(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        match octal_escape(rest) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[4..];
            }
            None => {
                out.push(first);
                rest = tail;
            }
        }
    }
    out
}

fn octal_escape(bytes: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = bytes.get(..4)? else { return None };
    let text = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(text, 8).ok().filter(|_| !text.starts_with('+'))
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
    fn what_is_no_writable_overlay_is_named() {
        assert!(matches!(layers("/ro"), Err(MountsError::NoUpperdir { .. })));
        assert!(matches!(layers("/fuse"), Err(MountsError::FuseOverlayfs { .. })));
        assert!(matches!(layers("/"), Err(MountsError::NotOverlay { fs_type, .. }) if fs_type == "btrfs"));
        assert!(matches!(layers("/x"), Err(MountsError::NotMounted { .. })));
        assert!(matches!(layers_in(b"\n1 2 3\n", Path::new("/"), &|_| false), Err(MountsError::Malformed { line: 2 })));
    }

    #[test]
    fn octal_escapes_are_bytes() {
        let cases: &[(&[u8], &[u8])] = &[
            (br"a\040b", b"a b"),
            (br"\134\072", br"\:"),
            (br"\04", br"\04"),
            (br"\999", br"\999"),
            (br"\377", b"\xff"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescape_octal(escaped), *plain);
        }
    }
}
