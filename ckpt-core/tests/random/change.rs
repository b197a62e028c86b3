//! One change that a container could make, by path.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::Result;
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, RenameFlags, Timespec, Timestamps, XattrFlags};

/// A path of one to three names out of few, so that changes meet.
#[derive(Clone)]
pub(crate) struct Place(Vec<u8>);

/// Not UTF-8, and what JSON, tar headers and scripts have to escape.
const NAMES: [&[u8]; 5] = [b"a", b"b", b"c", b"\xff\xfe", b"new\n\"line"];

impl Place {
    fn below(&self, root: &Path) -> PathBuf {
        self.0.iter().fold(root.to_owned(), |path, name| path.join(OsStr::from_bytes(NAMES[usize::from(*name)])))
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.below(Path::new("")).fmt(formatter)
    }
}

fn places() -> impl Strategy<Value = Place> {
    vec(0..NAMES.len() as u8, 1..=3).prop_map(Place)
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Mkdir(Place),
    Create(Place, u16),
    CreateLarge(Place, u16),
    WriteAt(Place, u16, u16),
    Append(Place, u16),
    Truncate(Place, u16),
    PunchHole(Place, u16, u16),
    Chmod(Place, u32),
    Chown(Place, u32, u32),
    SetTimes(Place, i64, u32),
    SetXattr(Place, usize, u16),
    RemoveXattr(Place, usize),
    SetAcl(Place, bool, u32),
    Rename(Place, Place),
    Exchange(Place, Place),
    Link(Place, Place),
    Symlink(Place, Vec<u8>),
    Mkfifo(Place),
    Mknod(Place, bool, u8),
    Socket(Place),
    Unlink(Place),
    Rmdir(Place),
    RemoveTree(Place),
    Recreate(Place),
}

const XATTRS: [&str; 5] =
    ["user.note", "trusted.note", "trusted.overlay.opaque", "user.overlay.redirect", "security.note"];

pub(crate) fn changes() -> impl Strategy<Value = Change> {
    use Change::*;
    let place = places;
    prop_oneof![
        6 => place().prop_map(Mkdir),
        5 => (place(), 0..20_000_u16).prop_map(|(place, length)| Create(place, length)),
        2 => (place(), 0..60_000_u16).prop_map(|(place, length)| CreateLarge(place, length)),
        2 => (place(), 0..40_000_u16, 1..9000_u16).prop_map(|(place, at, length)| WriteAt(place, at, length)),
        2 => (place(), 1..9000_u16).prop_map(|(place, length)| Append(place, length)),
        2 => (place(), 0..40_000_u16).prop_map(|(place, length)| Truncate(place, length)),
        1 => (place(), 0..20_000_u16, 1..20_000_u16).prop_map(|(place, at, length)| PunchHole(place, at, length)),
        2 => (place(), 0..0o10000_u32).prop_map(|(place, mode)| Chmod(place, mode)),
        2 => (place(), 0..70_000_u32, 0..70_000_u32).prop_map(|(place, uid, gid)| Chown(place, uid, gid)),
        1 => (place(), -10_000_i64..4_000_000_000, 0..1_000_000_000_u32).prop_map(|(place, s, ns)| SetTimes(place, s, ns)),
        2 => (place(), 0..XATTRS.len(), 0..300_u16).prop_map(|(place, name, length)| SetXattr(place, name, length)),
        1 => (place(), 0..XATTRS.len()).prop_map(|(place, name)| RemoveXattr(place, name)),
        2 => (place(), any::<bool>(), 1..70_000_u32).prop_map(|(place, default, user)| SetAcl(place, default, user)),
        6 => (place(), place()).prop_map(|(from, to)| Rename(from, to)),
        1 => (place(), place()).prop_map(|(one, other)| Exchange(one, other)),
        2 => (place(), place()).prop_map(|(from, to)| Link(from, to)),
        1 => (place(), vec(1..=255_u8, 1..200)).prop_map(|(place, target)| Symlink(place, target)),
        1 => place().prop_map(Mkfifo),
        1 => (place(), any::<bool>(), any::<u8>()).prop_map(|(place, block, minor)| Mknod(place, block, minor)),
        1 => place().prop_map(Socket),
        3 => place().prop_map(Unlink),
        1 => place().prop_map(Rmdir),
        2 => place().prop_map(RemoveTree),
        2 => place().prop_map(Recreate),
    ]
}

impl Change {
    pub(crate) fn is_link(&self) -> bool {
        matches!(self, Self::Link(..))
    }

    /// Makes the change below `root`, if what is there allows it: most random changes make no sense.
    pub(crate) fn make(&self, root: &Path) {
        let _refused = self.try_make(root);
    }

    fn try_make(&self, root: &Path) -> Result<()> {
        let at = |place: &Place| place.below(root);
        match self {
            Self::Mkdir(place) => fs::create_dir_all(at(place))?,
            Self::Create(place, length) => fs::write(regular(at(place))?, bytes(*length))?,
            Self::CreateLarge(place, length) => {
                fs::write(regular(at(place))?, [bytes(40_000), bytes(*length)].concat())?
            }
            Self::WriteAt(place, offset, length) => {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(regular(at(place))?)?;
                file.write_all_at(&bytes(*length), u64::from(*offset))?;
            }
            Self::Append(place, length) => {
                let mut file = OpenOptions::new().append(true).open(regular(at(place))?)?;
                std::io::Write::write_all(&mut file, &bytes(*length))?;
            }
            Self::Truncate(place, length) => writable(at(place))?.set_len(u64::from(*length))?,
            Self::PunchHole(place, offset, length) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(writable(at(place))?, flags, u64::from(*offset), u64::from(*length))?;
            }
            Self::Chmod(place, mode) => rustix::fs::chmod(not_symlink(at(place))?, Mode::from_raw_mode(*mode))?,
            Self::Chown(place, uid, gid) => lchown(at(place), Some(*uid), Some(*gid))?,
            Self::SetTimes(place, secs, nanos) => {
                let time = Timespec { tv_sec: *secs, tv_nsec: i64::from(*nanos) };
                let times = Timestamps { last_access: time, last_modification: time };
                rustix::fs::utimensat(CWD, at(place), &times, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Self::SetXattr(place, name, length) => {
                rustix::fs::lsetxattr(at(place), XATTRS[*name], &bytes(*length), XattrFlags::empty())?;
            }
            Self::RemoveXattr(place, name) => rustix::fs::lremovexattr(at(place), XATTRS[*name])?,
            Self::SetAcl(place, default, user) => {
                let name = if *default { "system.posix_acl_default" } else { "system.posix_acl_access" };
                rustix::fs::setxattr(not_symlink(at(place))?, name, &acl(*user), XattrFlags::empty())?;
            }
            Self::Rename(from, to) => fs::rename(at(from), at(to))?,
            Self::Exchange(one, other) => {
                rustix::fs::renameat_with(CWD, at(one), CWD, at(other), RenameFlags::EXCHANGE)?;
            }
            Self::Link(from, to) => fs::hard_link(at(from), at(to))?,
            Self::Symlink(place, target) => symlink(OsString::from_vec(target.clone()), at(place))?,
            Self::Mkfifo(place) => node(&at(place), FileType::Fifo, 0)?,
            Self::Mknod(place, true, minor) => node(&at(place), FileType::BlockDevice, device(*minor))?,
            Self::Mknod(place, false, minor) => node(&at(place), FileType::CharacterDevice, device(*minor))?,
            Self::Socket(place) => node(&at(place), FileType::Socket, 0)?,
            Self::Unlink(place) => fs::remove_file(at(place))?,
            Self::Rmdir(place) => fs::remove_dir(at(place))?,
            Self::RemoveTree(place) => fs::remove_dir_all(at(place))?,
            Self::Recreate(place) => {
                // What rm and mkdir by the container do to a directory that stays in use.
                fs::remove_dir_all(at(place))?;
                fs::create_dir(at(place))?;
            }
        }
        Ok(())
    }
}

/// Bytes that tell their length, without runs of zeros.
fn bytes(length: u16) -> Vec<u8> {
    (0..length).map(|at| (at ^ length) as u8 | 1).collect()
}

/// Majors for local use: 0:0 is a whiteout, which overlays refuse to make, and others could be real devices.
fn device(minor: u8) -> u64 {
    rustix::fs::makedev(240 + u32::from(minor % 15), minor.into())
}

fn node(path: &Path, kind: FileType, device: u64) -> Result<()> {
    Ok(rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o640), device)?)
}

fn writable(path: PathBuf) -> Result<File> {
    Ok(OpenOptions::new().write(true).open(regular(path)?)?)
}

/// Not through links, which lead out of the overlay, and not into FIFOs, which block.
fn regular(path: PathBuf) -> Result<PathBuf> {
    match fs::symlink_metadata(&path) {
        Ok(metadata) if !metadata.is_file() => anyhow::bail!("no regular file"),
        _ => Ok(path),
    }
}

fn not_symlink(path: PathBuf) -> Result<PathBuf> {
    anyhow::ensure!(!fs::symlink_metadata(&path)?.is_symlink(), "a symlink");
    Ok(path)
}

/// `user::rwx user:USER:rw- group::r-x mask::rwx other::r--`, as `linux/posix_acl_xattr.h` lays it out.
fn acl(user: u32) -> Vec<u8> {
    const NO_ID: u32 = u32::MAX;
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [(1_u16, 7_u16, NO_ID), (2, 6, user), (4, 5, NO_ID), (16, 7, NO_ID), (32, 4, NO_ID)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(permissions.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}
