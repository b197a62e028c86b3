//! Trees out: makes members below an open directory, data by clone, and never touches anything outside it.

mod parents;
mod place;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags, linkat, makedev, mkdirat, mknodat,
    openat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use crate::align::{AlignError, Alignment};
use crate::beneath::{self, SafePath};
use crate::entry::Entry;
use crate::inode::{XattrFilter, by_descriptor, os};
use crate::member::{Kind, Member};
use crate::transfer::{ClonePolicy, TransferError, Transferred, transfer};
use crate::writer::lossy;
pub use parents::{Parents, PlainParents};
use place::{Context, Place};

/// Why a member could not be made.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The block size of the target's file system is unknown.
    #[error(transparent)]
    Alignment(#[from] AlignError),
    /// A path that leads outside: `..`, or through a symbolic link; or that is no path at all.
    #[error("member {path:?} at offset {offset}: its path leads through {through}, it is refused")]
    UnsafePath {
        /// The member's path.
        path: String,
        /// Its header's offset in the archive.
        offset: u64,
        /// What is wrong with it.
        through: &'static str,
    },
    /// A system call failed.
    #[error("member {path:?} at offset {offset}: {call}")]
    Call {
        /// The member's path.
        path: String,
        /// Its header's offset in the archive.
        offset: u64,
        /// The system call.
        call: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The data could not be moved.
    #[error("member {path:?} at offset {offset}")]
    Data {
        /// The member's path.
        path: String,
        /// Its header's offset in the archive.
        offset: u64,
        /// What happened.
        #[source]
        source: TransferError,
    },
    /// A parent directory is missing, and [`Parents`] could not make it.
    #[error("member {path:?} at offset {offset}: its parent directory cannot be made")]
    Parent {
        /// The member's path.
        path: String,
        /// Its header's offset in the archive.
        offset: u64,
        /// What [`Parents::make`] said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What of a member is restored, and how.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// Give owner and group back; needs CAP_CHOWN. Without it, set-id bits are dropped as well.
    pub owner: bool,
    /// Which extended attributes to restore.
    pub keep_xattr: XattrFilter<'a>,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
}

/// Makes the members of one archive below one directory, in the order they are handed in.
///
/// Existing files are replaced by unlink, never written through; existing directories are kept. Attributes of
/// directories are set by [`Unpacker::finish`], since making what is in them changes their times.
pub struct Unpacker<'a> {
    archive: &'a File,
    root: BorrowedFd<'a>,
    options: UnpackOptions<'a>,
    parents: &'a mut dyn Parents,
    fs_block: Alignment,
    /// The directory of the member before, which most often is the directory of the next.
    parent: Option<(SafePath, Rc<OwnedFd>)>,
    directories: Vec<(u64, Member)>,
    moved: Transferred,
}

impl<'a> Unpacker<'a> {
    /// Unpacks from `archive` below `root`.
    ///
    /// # Errors
    /// [`UnpackError::Alignment`] if the file system of `root` does not tell its block size.
    pub fn new(
        archive: &'a File,
        root: BorrowedFd<'a>,
        options: UnpackOptions<'a>,
        parents: &'a mut dyn Parents,
    ) -> Result<Self, UnpackError> {
        let fs_block = Alignment::of(root)?;
        let (parent, directories, moved) = (None, Vec::new(), Transferred::default());
        Ok(Unpacker { archive, root, options, parents, fs_block, parent, directories, moved })
    }

    /// Makes the member of `entry` and says how its data moved. A file that could not be made whole is removed again.
    ///
    /// # Errors
    /// [`UnpackError`], which names the member.
    pub fn unpack(&mut self, entry: &Entry) -> Result<Transferred, UnpackError> {
        let before = self.moved;
        self.make(entry)?;
        Ok(self.moved - before)
    }

    fn make(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let at = Context { path: &entry.member.path, offset: entry.header_offset };
        let path = at.safe(&entry.member.path)?;
        let Some((parent_path, name)) = path.split() else {
            return self.root_member(at, &entry.member);
        };
        let parent = self.open_parent(at, parent_path)?;
        let place = Place { at, parent: parent.as_fd(), name };
        match &entry.member.kind {
            Kind::Directory => self.directory(place, &entry.member),
            Kind::Regular { .. } => self.regular(place, entry),
            Kind::HardLink { target } => self.hard_link(place, target),
            _ => self.special(place, &entry.member),
        }
    }

    /// Gives the directories their attributes, and the counts of all that moved.
    ///
    /// # Errors
    /// [`UnpackError`].
    pub fn finish(self) -> Result<Transferred, UnpackError> {
        for (offset, member) in self.directories.iter().rev() {
            let at = Context { path: &member.path, offset: *offset };
            let path = at.safe(&member.path)?;
            let directory = at.open(self.root, &path, OFlags::RDONLY | OFlags::DIRECTORY)?;
            self.set_attributes(at, directory.as_fd(), member)?;
        }
        Ok(self.moved)
    }

    /// The root is there; only what is no directory can be wrong with it.
    fn root_member(&mut self, at: Context<'_>, member: &Member) -> Result<(), UnpackError> {
        if member.kind != Kind::Directory {
            return Err(at.unsafe_path("the target directory itself"));
        }
        self.directories.push((at.offset, member.clone()));
        Ok(())
    }

    fn open_parent(&mut self, at: Context<'_>, path: SafePath) -> Result<Rc<OwnedFd>, UnpackError> {
        if let Some((cached, directory)) = &self.parent
            && *cached == path
        {
            return Ok(directory.clone());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = match beneath::open(self.root, &path, flags) {
            Err(Errno::NOENT) => {
                let made = self.parents.make(self.root, path.as_bytes());
                made.map_err(|source| UnpackError::Parent { path: lossy(at.path), offset: at.offset, source })?;
                at.open(self.root, &path, flags)?
            }
            Err(errno) => return Err(at.resolve_error(errno)),
            Ok(directory) => directory,
        };
        let directory = Rc::new(directory);
        self.parent = Some((path, directory.clone()));
        Ok(directory)
    }

    fn directory(&mut self, place: Place<'_>, member: &Member) -> Result<(), UnpackError> {
        let make = || mkdirat(place.parent, os(place.name), Mode::from_raw_mode(0o700));
        match make() {
            Err(Errno::EXIST) if place.is_directory()? => {}
            Err(Errno::EXIST) => {
                self.remove(place)?;
                make().map_err(place.at.failed("mkdir"))?;
            }
            made => made.map_err(place.at.failed("mkdir"))?,
        }
        self.directories.push((place.at.offset, member.clone()));
        Ok(())
    }

    fn regular(&mut self, place: Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let create = || openat(place.parent, os(place.name), flags, Mode::from_raw_mode(0o600));
        let file = self.make_anew(place, "create", create)?;
        let filled = self.fill(place.at, &File::from(file), entry);
        if filled.is_err() {
            // Nothing half-written under its final name; the first error is the one to tell.
            let _ = unlinkat(place.parent, os(place.name), AtFlags::empty());
        }
        filled
    }

    fn fill(&mut self, at: Context<'_>, file: &File, entry: &Entry) -> Result<(), UnpackError> {
        let length = entry.member.size();
        let mut moved = Transferred::default();
        for span in entry.data_spans() {
            moved += transfer(self.archive, file, span, self.fs_block, self.options.clone_policy)
                .map_err(|source| UnpackError::Data { path: lossy(at.path), offset: at.offset, source })?;
        }
        if moved.hole_bytes > 0 || entry.sparse.is_some() {
            rustix::fs::ftruncate(file, length).map_err(at.failed("ftruncate"))?;
        }
        self.moved += moved;
        self.set_attributes(at, file.as_fd(), &entry.member)
    }

    /// The target resolves like any path: a link can only name what lies below the root.
    fn hard_link(&mut self, place: Place<'_>, target: &[u8]) -> Result<(), UnpackError> {
        let target = place.at.safe(target)?;
        let Some((directory, name)) = target.split() else {
            return Err(place.at.unsafe_path("a hard link to the target directory itself"));
        };
        let directory = place.at.open(self.root, &directory, OFlags::PATH | OFlags::DIRECTORY)?;
        let link = || linkat(&directory, os(name), place.parent, os(place.name), AtFlags::empty());
        match link() {
            Err(Errno::EXIST) if place.is_same_inode(&directory, name)? => Ok(()),
            Err(Errno::EXIST) => {
                self.remove(place)?;
                link().map_err(place.at.failed("link"))
            }
            linked => linked.map_err(place.at.failed("link")),
        }
    }

    /// Symbolic links, FIFOs and devices: made by name, then given their attributes without following anything.
    fn special(&mut self, place: Place<'_>, member: &Member) -> Result<(), UnpackError> {
        let Place { at, parent, name } = place;
        let node = |kind, device| mknodat(parent, os(name), kind, Mode::from_raw_mode(0o600), device);
        self.make_anew(place, "make the node", || match &member.kind {
            Kind::Symlink { target } => symlinkat(os(target), parent, os(name)),
            Kind::CharDevice { major, minor } => node(FileType::CharacterDevice, makedev(*major, *minor)),
            Kind::BlockDevice { major, minor } => node(FileType::BlockDevice, makedev(*major, *minor)),
            _ => node(FileType::Fifo, 0),
        })?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(parent, os(name), flags, Mode::empty()).map_err(at.failed("open"))?;
        if self.options.owner {
            let (uid, gid) = at.owner(member)?;
            rustix::fs::chownat(&made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH).map_err(at.failed("chown"))?;
        }
        for xattr in member.xattrs.iter().filter(|xattr| (self.options.keep_xattr)(&xattr.name)) {
            rustix::fs::lsetxattr(by_descriptor(parent, os(name)), &xattr.name[..], &xattr.value, XattrFlags::empty())
                .map_err(at.failed("setxattr"))?;
        }
        if !matches!(member.kind, Kind::Symlink { .. }) {
            // fchmod(2) refuses O_PATH; the link in /proc leads to this very inode.
            let made = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&made));
            rustix::fs::chmod(made, self.mode(member)).map_err(at.failed("chmod"))?;
        }
        utimensat(parent, os(name), &times(member), AtFlags::SYMLINK_NOFOLLOW).map_err(at.failed("utimensat"))
    }

    /// Makes a file with `make`, which fails with `EXIST` where there is one; that is removed first.
    fn make_anew<T>(
        &mut self,
        place: Place<'_>,
        call: &'static str,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match make() {
            Err(Errno::EXIST) => {
                self.remove(place)?;
                make()
            }
            made => made,
        }
        .map_err(place.at.failed(call))
    }

    /// Removes a file or an empty directory; a directory with content is not for an archive to remove.
    fn remove(&mut self, place: Place<'_>) -> Result<(), UnpackError> {
        match unlinkat(place.parent, os(place.name), AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => {
                // The directory of the next member could be this one.
                self.parent = None;
                unlinkat(place.parent, os(place.name), AtFlags::REMOVEDIR).map_err(place.at.failed("rmdir"))
            }
            removed => removed.map_err(place.at.failed("unlink")),
        }
    }

    /// chown before xattrs and chmod: it clears set-id bits and file capabilities (chown(2)). Times last.
    fn set_attributes(&self, at: Context<'_>, file: BorrowedFd<'_>, member: &Member) -> Result<(), UnpackError> {
        if self.options.owner {
            let (uid, gid) = at.owner(member)?;
            rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(at.failed("chown"))?;
        }
        for xattr in member.xattrs.iter().filter(|xattr| (self.options.keep_xattr)(&xattr.name)) {
            rustix::fs::fsetxattr(file, &xattr.name[..], &xattr.value, XattrFlags::empty())
                .map_err(at.failed("setxattr"))?;
        }
        rustix::fs::fchmod(file, self.mode(member)).map_err(at.failed("chmod"))?;
        rustix::fs::futimens(file, &times(member)).map_err(at.failed("futimens"))
    }

    /// A set-id file that belongs to whoever unpacks would be a gift to everyone else.
    fn mode(&self, member: &Member) -> Mode {
        Mode::from_raw_mode(if self.options.owner { member.mode } else { member.mode & !0o6000 })
    }
}

fn times(member: &Member) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: member.mtime.secs, tv_nsec: member.mtime.nanos.into() },
    }
}
