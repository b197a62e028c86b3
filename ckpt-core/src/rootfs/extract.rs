//! Makes an upperdir, or a plain tree, of members of an archive.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::thread;

use aligntar::{
    ClonePolicy, Entry, FileSource, Member, Parents, Transferred, UnpackError, UnpackOptions, Unpacker, XattrFilter,
};
use layerfs::{ApplyError, Layers, Upperdir};

use super::kept_xattrs::keep_plain;
use super::sockets;
use crate::archive::supplement::{Supplement, relative};
use crate::archive::{ArchiveError, limits};
use crate::progress::Progress;

/// Why files could not be put in their places.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A member could not be made.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The overlay's own marks, such as whiteouts, could not be made in the upperdir.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The container's user namespace has no such user or group.
    #[error("{} belongs to {uid}:{gid}, whom the container's user namespace does not have", path.display())]
    Owner {
        /// Relative to the container's root.
        path: PathBuf,
        /// The user that the container is to see.
        uid: u64,
        /// The group.
        gid: u64,
    },
    /// An ACL or a capability names users or groups that the container's user namespace does not have.
    #[error("an attribute of {} names IDs that the container's user namespace does not have", path.display())]
    XattrIds {
        /// Relative to the container's root.
        path: PathBuf,
    },
    /// A directory could not be opened.
    #[error("open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
}

/// Builds the empty `layers.upperdir` so that the merged tree is the one that the diff was taken from.
///
/// `members` are those of the diff's archive, whose data lies in `archive`.
///
/// # Errors
/// [`ExtractError`]; the upperdir is incomplete then. Members and deletions that lead outside of it are refused.
pub fn extract_diff(
    archive: &mut FileSource<'_>,
    members: impl IntoIterator<Item = Result<Entry, ArchiveError>>,
    supplement: &Supplement,
    layers: &Layers,
    clone_policy: ClonePolicy,
    progress: &mut dyn Progress,
) -> Result<Transferred, ExtractError> {
    let upperdir = RefCell::new(Upperdir::open(layers)?);
    let mut parents = CopyUp(&upperdir);
    let root = open_directory(&layers.upperdir)?;
    let mut unpacker = unpacker(&root, &keep_plain, clone_policy, &mut parents)?;
    for entry in members {
        let mut entry = entry?;
        // Names are escaped from here on, so that none of them is a marker.
        store_as(&mut entry.member, layers)?;
        upperdir.borrow_mut().keep_times_of(&relative(&entry.member.path));
        unpack_one(&mut unpacker, &entry, archive, progress)?;
    }
    for socket in &supplement.sockets {
        sockets::make(socket, &mut upperdir.borrow_mut())?;
    }
    let moved = unpacker.finish()?;
    for path in &supplement.opaque {
        upperdir.borrow_mut().copy_up_dir(path)?;
        upperdir.borrow_mut().delete(path)?;
    }
    for path in &supplement.deleted {
        upperdir.borrow_mut().delete(path)?;
    }
    upperdir.into_inner().finish()?;
    Ok(moved)
}

/// Directories that the archive does not have look as the image's do.
struct CopyUp<'u>(&'u RefCell<Upperdir>);

impl Parents for CopyUp<'_> {
    fn make(&mut self, _root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
        self.0.borrow_mut().copy_up_dir(&path).map_err(Into::into)
    }
}

/// Turns a member as the container sees it into one as the upperdir holds it.
fn store_as(member: &mut Member, layers: &Layers) -> Result<(), ExtractError> {
    shift_ids(member, layers)?;
    for xattr in &mut member.xattrs {
        xattr.name = layers.xattr_ns.stored_xattr_name(&xattr.name);
    }
    Ok(())
}

/// Turns a member as the container sees it into one as the host sees it, in the upperdir and where that is mounted.
pub(crate) fn shift_ids(member: &mut Member, layers: &Layers) -> Result<(), ExtractError> {
    let path = || PathBuf::from(OsStr::from_bytes(&member.path));
    let seen = (u32::try_from(member.uid), u32::try_from(member.gid));
    let stored = if let (Ok(uid), Ok(gid)) = seen { layers.ids.owner_on_disk((uid, gid)) } else { None };
    let (uid, gid) = stored.ok_or_else(|| ExtractError::Owner { path: path(), uid: member.uid, gid: member.gid })?;
    for xattr in &mut member.xattrs {
        let value = layers.ids.xattr_on_disk(&xattr.name, std::mem::take(&mut xattr.value));
        xattr.value = value.ok_or_else(|| ExtractError::XattrIds { path: path() })?;
    }
    (member.uid, member.gid) = (uid.into(), gid.into());
    Ok(())
}

/// Makes the members that `entries` yields below the existing directory `target`.
pub(crate) fn extract_tree(
    archive: &mut FileSource<'_>,
    entries: impl Iterator<Item = Result<Entry, ArchiveError>>,
    target: &Path,
    clone_policy: ClonePolicy,
    progress: &mut dyn Progress,
) -> Result<Transferred, ExtractError> {
    let root = open_directory(target)?;
    let mut parents = aligntar::PlainParents;
    let mut unpacker = unpacker(&root, &keep_plain, clone_policy, &mut parents)?;
    for entry in entries {
        unpack_one(&mut unpacker, &entry?, archive, progress)?;
    }
    Ok(unpacker.finish()?)
}

fn unpacker<'a>(
    root: &'a File,
    keep_xattr: XattrFilter<'a>,
    clone_policy: ClonePolicy,
    parents: &'a mut dyn Parents,
) -> Result<Unpacker<'a>, UnpackError> {
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options = UnpackOptions {
        owner: true,
        keep_xattr,
        clone_policy,
        threads,
        pending_bytes: limits::DIRECTORIES,
        ..UnpackOptions::default()
    };
    Unpacker::new(root.as_fd(), options, parents)
}

fn unpack_one(
    unpacker: &mut Unpacker<'_>,
    entry: &Entry,
    archive: &mut FileSource<'_>,
    progress: &mut dyn Progress,
) -> Result<(), ExtractError> {
    let moved = unpacker.unpack(entry, archive)?;
    progress.member(&entry.member.path, moved);
    Ok(())
}

fn open_directory(path: &Path) -> Result<File, ExtractError> {
    File::open(path).map_err(|source| ExtractError::Open { path: path.to_owned(), source })
}
