//! A member's value read from an inode: stat(2), readlink(2) and the extended attributes.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags, major, minor, openat, statat, statx,
};
use rustix::io::Errno;

use crate::member::{Kind, Member, Timestamp, Xattr};
use crate::shown::{ShownName, lossy};

/// Why an inode cannot become a member.
#[derive(Debug, thiserror::Error)]
pub enum InodeError {
    /// A system call failed.
    #[error("{call} {path:?}")]
    Call {
        /// The system call.
        call: &'static str,
        /// The member's path.
        path: ShownName,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A socket: tar has no typeflag for it.
    #[error("{:?} is a socket, which no tar archive can hold", lossy(path))]
    Socket {
        /// The member's path.
        path: Vec<u8>,
    },
}

impl InodeError {
    /// Whether the name vanished, or became another file's between two looks: a link in place of a file (LOOP), a file
    /// in place of a link (INVAL), a socket in place of a file (NXIO).
    pub(crate) fn is_of_a_name_in_motion(&self) -> bool {
        let gone = [Errno::NOENT, Errno::LOOP, Errno::INVAL, Errno::NXIO, Errno::STALE];
        matches!(self, InodeError::Call { source, .. } if gone.contains(source))
    }
}

/// An inode as a member, ready to be written.
#[derive(Debug)]
pub struct Inode {
    /// What its header says.
    pub member: Member,
    /// Its data, for a regular file.
    pub data: Option<File>,
    /// What stat(2) says.
    pub stat: Stat,
    /// Whether chattr(1) has made it immutable, append-only or left out of dumps, which no member says.
    pub has_flags: bool,
}

impl Inode {
    /// Whether the file's size or times have changed since it was read. This cannot be known of data that comes from
    /// another inode, which has times of its own.
    pub(crate) fn has_changed(&self) -> Result<bool, InodeError> {
        let Some(data) = &self.data else { return Ok(false) };
        let now = rustix::fs::fstat(data).map_err(self.failed("fstat"))?;
        let version =
            |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
        let is_same_inode = (now.st_dev, now.st_ino) == (self.stat.st_dev, self.stat.st_ino);
        Ok(is_same_inode && version(&now) != version(&self.stat))
    }

    /// Takes the size and the time of a file with data as they are now.
    pub(crate) fn look_again(&mut self) -> Result<(), InodeError> {
        let Some(data) = &self.data else { return Ok(()) };
        self.stat = rustix::fs::fstat(data).map_err(self.failed("fstat"))?;
        self.member.kind = Kind::Regular { size: self.stat.st_size as u64 };
        self.member.mtime = mtime(&self.stat);
        Ok(())
    }

    pub(crate) fn failed(&self, call: &'static str) -> impl FnOnce(Errno) -> InodeError {
        failed(call, &self.member.path)
    }
}

fn mtime(stat: &Stat) -> Timestamp {
    Timestamp { secs: stat.st_mtime, nanos: stat.st_mtime_nsec as u32 }
}

/// Which extended attributes to take, by name; asked by every thread that the caller allows.
pub type XattrFilter<'a> = &'a (dyn Fn(&[u8]) -> bool + Sync);

/// Reads `name` in the directory `parent` as the member `path`, never following a symbolic link.
///
/// Data of regular files is opened, not read. Their access time stays where the caller has the right to that
/// (O_NOATIME).
///
/// # Errors
/// [`InodeError::Socket`], or the call that failed.
pub fn read_inode(
    parent: impl AsFd,
    name: &OsStr,
    path: Vec<u8>,
    keep_xattr: XattrFilter<'_>,
) -> Result<Inode, InodeError> {
    read_inode_of(FileType::Unknown, parent, name, path, keep_xattr)
}

/// As [`read_inode`], with what the directory says the file is: that spares a call where it is a regular file.
pub(crate) fn read_inode_of(
    file_type: FileType,
    parent: impl AsFd,
    name: &OsStr,
    path: Vec<u8>,
    keep_xattr: XattrFilter<'_>,
) -> Result<Inode, InodeError> {
    let parent = parent.as_fd();
    let (stat, data) = open(file_type, parent, name, &path)?;
    let kind = kind(parent, name, &path, &stat)?;
    let xattrs = match &data {
        Some(file) => Xattrs::Of(file.as_fd()).read(keep_xattr),
        None => Xattrs::At(by_descriptor(parent, name)).read(keep_xattr),
    };
    let member = Member {
        uid: stat.st_uid.into(),
        gid: stat.st_gid.into(),
        mtime: mtime(&stat),
        xattrs: xattrs.map_err(failed("read the extended attributes of", &path))?,
        ..Member::new(path, kind, stat.st_mode & 0o7777)
    };
    let has_flags = has_flags(parent, name, &stat, data.as_ref());
    Ok(Inode { member, data, stat, has_flags })
}

/// Of files and directories alone: nothing else can be given flags. Not where the file system does not tell.
fn has_flags(parent: BorrowedFd<'_>, name: &OsStr, stat: &Stat, data: Option<&File>) -> bool {
    let found = match (data, FileType::from_raw_mode(stat.st_mode)) {
        (Some(file), _) => statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::empty()),
        (None, FileType::Directory) => statx(parent, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()),
        _ => return false,
    };
    let flags = StatxAttributes::IMMUTABLE | StatxAttributes::APPEND | StatxAttributes::NODUMP;
    found.is_ok_and(|found| found.stx_attributes.intersects(flags))
}

/// What stat(2) says, and the data of a regular file. Nothing else is opened: that could block, or start a device.
fn open(
    file_type: FileType,
    parent: BorrowedFd<'_>,
    name: &OsStr,
    path: &[u8],
) -> Result<(Stat, Option<File>), InodeError> {
    if file_type != FileType::RegularFile {
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed("stat", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok((stat, None));
        }
    }
    let file = open_data(parent, name).map_err(failed("open", path))?;
    let stat = rustix::fs::fstat(&file).map_err(failed("fstat", path))?;
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    Ok((stat, is_regular.then_some(file)))
}

fn failed(call: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> InodeError {
    move |source| InodeError::Call { call, path: lossy(path), source }
}

/// O_NONBLOCK: if the name has become a FIFO meanwhile, this must not wait for a writer.
fn open_data(parent: BorrowedFd<'_>, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(parent, name, flags | OFlags::NOATIME, Mode::empty()) {
        // O_NOATIME is for the owner and for CAP_FOWNER, open(2).
        Err(Errno::PERM) => openat(parent, name, flags, Mode::empty()),
        opened => opened,
    }
    .map(File::from)
}

fn kind(parent: BorrowedFd<'_>, name: &OsStr, path: &[u8], stat: &Stat) -> Result<Kind, InodeError> {
    let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::Regular { size: stat.st_size as u64 },
        FileType::Directory => Kind::Directory,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(parent, name, Vec::new()).map_err(|source| InodeError::Call {
                call: "readlink",
                path: lossy(path),
                source,
            })?;
            Kind::Symlink { target: target.into_bytes() }
        }
        FileType::CharacterDevice => Kind::CharDevice { major, minor },
        FileType::BlockDevice => Kind::BlockDevice { major, minor },
        FileType::Fifo => Kind::Fifo,
        FileType::Socket | FileType::Unknown => return Err(InodeError::Socket { path: path.to_vec() }),
    })
}

/// A path to `name` that goes through the descriptor of its directory, for calls that have no `*at` form.
pub(crate) fn by_descriptor(parent: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    let mut path = OsString::from(format!("/proc/self/fd/{}/", parent.as_raw_fd()));
    path.push(name);
    path.into()
}

/// Where extended attributes are read from: a file with data is open anyway, other inodes must not be opened.
enum Xattrs<'a> {
    Of(BorrowedFd<'a>),
    At(PathBuf),
}

/// XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h, bytes.
const XATTR_MAX: usize = 64 * 1024;

/// How XFS shows the same ACLs once more, to root (fs/xfs/libxfs/xfs_format.h): as such they mean nothing elsewhere,
/// and whoever changes the IDs in an ACL would find the old ones in there.
const XFS_ACL: &[u8] = b"trusted.SGI_ACL_";

impl Xattrs<'_> {
    fn read(&self, keep: XattrFilter<'_>) -> Result<Vec<Xattr>, Errno> {
        let names = match self.list() {
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut xattrs = Vec::new();
        let is_own = |name: &&[u8]| !name.is_empty() && !name.starts_with(XFS_ACL);
        for name in names.split(|&byte| byte == 0).filter(is_own).filter(|name| keep(name)) {
            match self.value(name) {
                Ok(value) => xattrs.push(Xattr { name: name.to_vec(), value }),
                // Removed since the list was made.
                Err(Errno::NODATA) => {}
                Err(errno) => return Err(errno),
            }
        }
        xattrs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(xattrs)
    }

    fn list(&self) -> Result<Vec<u8>, Errno> {
        let mut short = [0; 256];
        match self.list_into(&mut short) {
            Ok(len) => Ok(short[..len].to_vec()),
            Err(Errno::RANGE) => {
                let mut long = vec![0; XATTR_MAX];
                let len = self.list_into(&mut long)?;
                long.truncate(len);
                Ok(long)
            }
            Err(errno) => Err(errno),
        }
    }

    fn list_into(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Xattrs::Of(fd) => rustix::fs::flistxattr(fd, buffer),
            Xattrs::At(path) => rustix::fs::llistxattr(path, buffer),
        }
    }

    fn value(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let mut value = vec![0; XATTR_MAX];
        let len = match self {
            Xattrs::Of(fd) => rustix::fs::fgetxattr(fd, name, &mut value[..])?,
            Xattrs::At(path) => rustix::fs::lgetxattr(path, name, &mut value[..])?,
        };
        value.truncate(len);
        value.shrink_to_fit();
        Ok(value)
    }
}

/// The name of a path as the kernel takes it.
pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
