//! The container's root filesystem between overlay and archive: a diff becomes members, members become an upperdir.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use aligntar::{
    ClonePolicy, Entry, FileSource, Inode, InodeError, PackError, PackOptions, Packer, Parents, SocketPolicy,
    Transferred, UnpackError, UnpackOptions, Unpacker, WriteError, Writer, XattrFilter, read_inode,
};
use layerfs::{ApplyError, Change, DataSource, DiffError, Layers, Present, Upperdir, WalkError, XattrNamespace, walk};

use rustix::io::Errno;

use crate::archive::{ArchiveError, CheckpointArchive};
use crate::progress::Progress;

/// Why the root filesystem could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The overlay could not be read.
    #[error(transparent)]
    Diff(#[from] DiffError),
    /// A file could not be read or written.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A directory could not be opened.
    #[error("open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// A deleted file's name is no UTF-8, so `deleted.files` cannot say it.
    #[error("the deleted file {path:?} has a name that is not UTF-8, which deleted.files cannot say")]
    DeletedName {
        /// Its path in the container.
        path: PathBuf,
    },
}

/// What of a diff is not a member.
#[derive(Debug, Default)]
pub(crate) struct BesideMembers {
    /// Absolute paths in the container that the image shows and the container does not.
    pub(crate) deleted: Vec<String>,
    /// Paths of sockets: tar has no typeflag for them, and CRIU makes those that are in use anew.
    pub(crate) sockets: Vec<String>,
}

/// Extended attributes that are files' own: not the overlay's markers, and not labels that the target's policy sets.
fn keep_stored(ns: XattrNamespace) -> impl Fn(&[u8]) -> bool {
    move |name| name != b"security.selinux" && ns.merged_xattr_name(name).is_some()
}

/// As [`keep_stored`], outside of overlays.
pub(crate) fn keep_plain(name: &[u8]) -> bool {
    name != b"security.selinux" && !name.starts_with(b"trusted.overlay.")
}

/// Appends what `layers.upperdir` changes as members, in the order of the walk.
pub(crate) fn capture_diff(
    layers: &Layers,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<BesideMembers, CaptureError> {
    let keep = keep_stored(layers.xattr_ns);
    let mut beside = BesideMembers::default();
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let mut packer = Packer::new(
        writer,
        PackOptions { keep_xattr: &keep, sockets: SocketPolicy::Omit, ..PackOptions::default() },
        &mut report,
    );
    let walked = walk(layers, |change| match change {
        Change::Deleted { path } => absolute(path).map(|path| beside.deleted.push(path)),
        Change::Present(present) => match inode_of(present, layers.xattr_ns, &keep) {
            Err(InodeError::Socket { path }) => {
                beside.sockets.push(String::from_utf8_lossy(&path).into_owned());
                Ok(())
            }
            Err(error) => Err(PackError::from(error).into()),
            Ok(inode) => packer.append(inode).map(drop).map_err(CaptureError::from),
        },
    });
    match walked {
        Ok(_) => Ok(beside),
        Err(WalkError::Diff(error)) => Err(error.into()),
        Err(WalkError::Visit(error)) => Err(error),
    }
}

fn absolute(path: &Path) -> Result<String, CaptureError> {
    let not_utf8 = || CaptureError::DeletedName { path: path.to_owned() };
    Ok(format!("/{}", path.to_str().ok_or_else(not_utf8)?))
}

fn inode_of(present: Present<'_>, ns: XattrNamespace, keep: XattrFilter<'_>) -> Result<Inode, InodeError> {
    let path = if present.path.as_os_str().is_empty() { Path::new(".") } else { present.path };
    let mut inode = read_inode(present.parent, present.name, path.as_os_str().as_bytes().to_vec(), keep)?;
    for xattr in &mut inode.member.xattrs {
        if let Some(merged) = ns.merged_xattr_name(&xattr.name) {
            xattr.name = merged;
        }
    }
    if let DataSource::Lower(data) = present.data {
        inode.data = Some(File::from(data));
    }
    Ok(inode)
}

/// Appends the tree below `root` as a nested archive's members.
pub(crate) fn capture_tree(
    root: &Path,
    prefix: &[u8],
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Vec<String>, CaptureError> {
    let opened = File::open(root).map_err(|source| CaptureError::Open { path: root.to_owned(), source })?;
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let mut packer =
        Packer::new(writer, PackOptions { sockets: SocketPolicy::Omit, ..PackOptions::default() }, &mut report);
    packer.pack_tree(&opened, prefix)?;
    Ok(packer.omitted_sockets().iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

/// Appends the file `name` of the directory `parent` under that name; nothing if it is not there.
pub(crate) fn capture_file_optional(
    parent: &Path,
    name: &str,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<(), CaptureError> {
    let opened = File::open(parent).map_err(|source| CaptureError::Open { path: parent.to_owned(), source })?;
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let mut packer = Packer::new(writer, PackOptions::default(), &mut report);
    match packer.pack_one(&opened, OsStr::new(name), name.as_bytes().to_vec()) {
        Ok(_) => Ok(()),
        Err(PackError::Inode(InodeError::Call { source: Errno::NOENT, .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Why files could not be put in their places.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The archive could not be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A member could not be made.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The upperdir could not be made to say it.
    #[error(transparent)]
    Apply(#[from] ApplyError),
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

/// Directories that the archive does not have look as the image's do.
struct CopyUp<'u>(&'u RefCell<Upperdir>);

impl Parents for CopyUp<'_> {
    fn make(&mut self, _root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()));
        self.0.borrow_mut().copy_up_dir(&path).map_err(Into::into)
    }
}

/// Builds the empty `layers.upperdir` so that the merged tree is the one that `diff` and `deleted` were taken from.
pub(crate) fn place_diff(
    archive: &CheckpointArchive,
    diff: Option<&Entry>,
    deleted: &[String],
    layers: &Layers,
    clone_policy: ClonePolicy,
    progress: &mut dyn Progress,
) -> Result<Transferred, PlaceError> {
    let upperdir = RefCell::new(Upperdir::open(layers)?);
    let mut moved = Transferred::default();
    if let Some(diff) = diff {
        let mut parents = CopyUp(&upperdir);
        // Names are escaped before they get here, so that none of them is a marker.
        let keep = |name: &[u8]| name != b"security.selinux";
        let root = open_directory(&layers.upperdir)?;
        let mut unpacker = unpacker(&root, &keep, clone_policy, &mut parents)?;
        let mut source = archive.source()?;
        for entry in archive.nested(diff)? {
            let mut entry = entry?;
            for xattr in &mut entry.member.xattrs {
                xattr.name = layers.xattr_ns.stored_xattr_name(&xattr.name);
            }
            upperdir.borrow_mut().keep_times_of(&relative(&entry.member.path));
            moved += unpack_one(&mut unpacker, &entry, &mut source, progress)?;
        }
        unpacker.finish()?;
    }
    for path in deleted {
        upperdir.borrow_mut().delete(&relative(path.as_bytes()))?;
    }
    upperdir.into_inner().finish()?;
    Ok(moved)
}

/// Makes the members that `entries` yields below the existing directory `target`.
pub(crate) fn place_tree(
    archive: &CheckpointArchive,
    entries: impl Iterator<Item = Result<Entry, ArchiveError>>,
    target: &Path,
    clone_policy: ClonePolicy,
    progress: &mut dyn Progress,
) -> Result<Transferred, PlaceError> {
    let root = open_directory(target)?;
    let mut parents = aligntar::PlainParents;
    let mut unpacker = unpacker(&root, &keep_plain, clone_policy, &mut parents)?;
    let mut source = archive.source()?;
    let mut moved = Transferred::default();
    for entry in entries {
        moved += unpack_one(&mut unpacker, &entry?, &mut source, progress)?;
    }
    unpacker.finish()?;
    Ok(moved)
}

fn unpacker<'a>(
    root: &'a File,
    keep_xattr: XattrFilter<'a>,
    clone_policy: ClonePolicy,
    parents: &'a mut dyn Parents,
) -> Result<Unpacker<'a>, UnpackError> {
    let options = UnpackOptions { owner: true, keep_xattr, clone_policy, ..UnpackOptions::default() };
    Unpacker::new(root.as_fd(), options, parents)
}

fn unpack_one(
    unpacker: &mut Unpacker<'_>,
    entry: &Entry,
    source: &mut FileSource<'_>,
    progress: &mut dyn Progress,
) -> Result<Transferred, PlaceError> {
    let moved = unpacker.unpack(entry, source)?;
    progress.member(&entry.member.path, moved);
    Ok(moved)
}

fn open_directory(path: &Path) -> Result<File, PlaceError> {
    File::open(path).map_err(|source| PlaceError::Open { path: path.to_owned(), source })
}

/// A path of the archive relative to the root, however it was written.
fn relative(path: &[u8]) -> PathBuf {
    let start = path.iter().position(|&byte| byte != b'/').unwrap_or(path.len());
    let path = &path[start..];
    PathBuf::from(OsStr::from_bytes(if path == b"." { b"" } else { path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_root() {
        for (path, expected) in [("/etc/passwd", "etc/passwd"), ("etc", "etc"), (".", ""), ("//a", "a"), ("/", "")] {
            assert_eq!(relative(path.as_bytes()), Path::new(expected), "{path}");
        }
    }
}
