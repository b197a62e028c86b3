//! Makes members of an archive of a container's changes, and of whole trees.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aligntar::{
    ChangePolicy, Inode, Member, PackError, PackOptions, Packer, SocketPolicy, UnreadablePolicy, WriteError, Writer,
    Xattr, XattrFilter, read_inode,
};
use layerfs::{AccessError, Change, DataSource, DiffError, Layers, Present, WalkError, XattrNamespace, walk};
use rustix::fs::{FileType, Stat};

use super::kept_xattrs::{keep_plain, keep_stored};
use super::sockets::Sockets;
use crate::archive::supplement::{Socket, Supplement};
use crate::archive::{Oversize, limits};
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
    /// A socket could not be read.
    #[error(transparent)]
    Socket(#[from] AccessError),
    /// A restore would refuse the archive.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// A name that OCI layers have for something else.
    #[error(
        "{:?} cannot be in an OCI layer, where names that begin with .wh. say what is deleted: take the form `podman` or \
         `overlay`",
        path.display()
    )]
    Reserved {
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

/// Appends what `layers.upperdir` changes as members, in the order of the walk, and gives what tar cannot say.
///
/// # Errors
/// [`CaptureError`] for whatever cannot be taken: nothing is left out silently.
pub fn capture_diff(
    layers: &Layers,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Supplement, CaptureError> {
    let keep = keep_stored(layers.xattr_ns);
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let options = PackOptions { keep_xattr: &keep, ..PackOptions::default() };
    let mut packer = Packer::new(writer, options, &mut report);
    let mut deleted = Vec::new();
    let sockets = walk_inodes(layers, &keep, &mut |found| {
        match found {
            Found::Deleted { path, .. } => deleted.push(path.to_owned()),
            Found::Inode { inode, .. } => drop(packer.append(inode)?),
        }
        Ok(())
    })?;
    limits::directories("the root filesystem's changes", packer.directory_bytes())?;
    Ok(Supplement { deleted, sockets, with_flags: packer.with_flags(), ..Supplement::default() })
}

/// Hands the members that [`capture_diff`] would write to `visit`, in the same order, and gives the rest. Further names
/// of a file are members of their own here.
///
/// # Errors
/// [`CaptureError`].
pub(crate) fn diff_members(layers: &Layers, visit: &mut dyn FnMut(Member)) -> Result<Supplement, CaptureError> {
    let mut deleted = Vec::new();
    let sockets = walk_inodes(layers, &keep_stored(layers.xattr_ns), &mut |found| {
        match found {
            Found::Deleted { path, .. } => deleted.push(path.to_owned()),
            Found::Inode { inode, .. } => visit(inode.member),
        }
        Ok(())
    })?;
    Ok(Supplement { deleted, sockets, ..Supplement::default() })
}

/// Appends what [`capture_diff`] would, but for files of `large` bytes and more, until there are `limit` members: a
/// trial, in which what cannot be taken is left out. Calls `took` behind each.
pub(crate) fn capture_some(layers: &Layers, limit: usize, large: u64, writer: &mut Writer<'_>, took: &mut dyn FnMut()) {
    /// Ends the walk.
    struct Enough;
    let keep = keep_stored(layers.xattr_ns);
    let mut ignore = |_: &[u8], _| {};
    let options = PackOptions { keep_xattr: &keep, changes: ChangePolicy::List, ..PackOptions::default() };
    let mut packer = Packer::new(writer, options, &mut ignore);
    let mut taken = 0;
    let _ = walk(layers, |change| {
        if let Change::Present(present) = change
            && let Ok(inode) = inode_of(&present, &keep)
            && inode.member.size() < large
        {
            let _ = packer.append(inode);
            took();
            taken += 1;
        }
        if taken < limit { Ok(()) } else { Err(Enough) }
    });
}

/// What a walk finds, sockets left out.
pub(super) enum Found<'f> {
    /// A file of any kind, with its data, and where it is.
    Inode { inode: Inode, present: &'f Present<'f> },
    /// A path that the lower layers show, and what they show there.
    Deleted { path: &'f Path, stat: Stat },
}

/// Walks the changes and hands them to `take`, in order; gives the sockets.
pub(super) fn walk_inodes(
    layers: &Layers,
    keep: XattrFilter<'_>,
    take: &mut dyn FnMut(Found<'_>) -> Result<(), CaptureError>,
) -> Result<Vec<Socket>, CaptureError> {
    let mut sockets = Sockets::default();
    let walked = walk(layers, |change| match change {
        Change::Deleted { path, stat } => take(Found::Deleted { path, stat }),
        Change::Present(present) if is_socket(&present) => Ok(sockets.add(&present)?),
        Change::Present(present) => {
            let mut inode = inode_of(&present, keep)?;
            if let DataSource::Lower(data) = present.data()? {
                inode.data = Some(File::from(data));
            }
            take(Found::Inode { inode, present: &present })
        }
    });
    match walked {
        Ok(_) => Ok(sockets.into_inner()),
        Err(WalkError::Diff(error)) => Err(error.into()),
        Err(WalkError::Visit(error)) => Err(error),
    }
}

fn is_socket(present: &Present<'_>) -> bool {
    FileType::from_raw_mode(present.stat.st_mode) == FileType::Socket
}

/// The inode as the container sees it.
fn inode_of(present: &Present<'_>, keep: XattrFilter<'_>) -> Result<Inode, PackError> {
    let path = if present.path.as_os_str().is_empty() { Path::new(".") } else { present.path };
    let mut inode = read_inode(present.parent, present.name, path.as_os_str().as_bytes().to_vec(), keep)?;
    (inode.member.uid, inode.member.gid) = (present.stat.st_uid.into(), present.stat.st_gid.into());
    let stored = std::mem::take(&mut inode.member.xattrs).into_iter();
    let merged = stored.filter_map(|xattr| present.merged_xattr(xattr.name, xattr.value));
    inode.member.xattrs = merged.map(|layerfs::Xattr { name, value }| Xattr { name, value }).collect();
    Ok(inode)
}

/// What is to be told of a tree that was taken.
#[derive(Debug, Default)]
pub(crate) struct CapturedTree {
    /// Sockets, which were left out.
    pub(crate) sockets: Vec<String>,
    /// Names that changed or went while they were taken.
    pub(crate) changed: usize,
    /// What its paths would take in memory, were they those of /dev/shm.
    pub(crate) path_bytes: usize,
    /// Files with flags, see [`Supplement::with_flags`].
    pub(crate) with_flags: usize,
}

/// Appends the tree below `root`, which others may use meanwhile, as a nested archive's members. What they change is of
/// one moment for each file if it can be cloned into `scratch`, an empty file on its file system.
pub(crate) fn capture_tree(
    root: &Path,
    scratch: Option<&File>,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<CapturedTree, CaptureError> {
    let opened = File::open(root).map_err(|source| CaptureError::Open { path: root.to_owned(), source })?;
    let mut path_bytes = 0;
    let mut report = |path: &[u8], moved| {
        path_bytes += limits::shm_path(path);
        progress.member(path, moved);
    };
    let options = PackOptions { sockets: SocketPolicy::Omit, scratch, ..of_others() };
    let mut packer = Packer::new(writer, options, &mut report);
    packer.pack_tree(&opened, b".")?;
    let sockets = packer.omitted_sockets().iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    limits::directories(&root.to_string_lossy(), packer.directory_bytes())?;
    let (changed, with_flags) = (packer.changed().len(), packer.with_flags());
    Ok(CapturedTree { sockets, changed, path_bytes, with_flags })
}

/// Appends the tree below `root`, an upperdir perhaps, while its own container works on it: for the data of its files, as
/// the captures behind will find that in `writer`. What cannot be taken they will name. Goes on until `is_over`, which is
/// asked for each name.
///
/// # Errors
/// [`WriteError`] if `writer` cannot be written to.
pub fn capture_in_motion(
    root: &Path,
    overlay: Option<XattrNamespace>,
    is_over: &(dyn Fn() -> bool + Sync),
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<(), WriteError> {
    let Ok(opened) = File::open(root) else { return Ok(()) };
    let keep = |name: &[u8]| overlay.map_or_else(|| keep_plain(name), |ns| keep_stored(ns)(name));
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let options = PackOptions {
        keep_xattr: &keep,
        exclude: &|_| is_over(),
        sockets: SocketPolicy::Omit,
        unreadable: UnreadablePolicy::List,
        ..of_others()
    };
    match Packer::new(writer, options, &mut report).pack_tree(&opened, b".") {
        Err(PackError::Write(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Appends the file `name` of the directory `parent`, which others may write to meanwhile, under that name; nothing if
/// it is not there.
pub(crate) fn capture_file_optional(
    parent: &Path,
    name: &str,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<(), CaptureError> {
    let opened = File::open(parent).map_err(|source| CaptureError::Open { path: parent.to_owned(), source })?;
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let mut packer = Packer::new(writer, of_others(), &mut report);
    packer.pack_one(&opened, OsStr::new(name), name.as_bytes().to_vec())?;
    Ok(())
}

/// Only the container's own layer stands still. Elsewhere other containers, and conmon, go on writing.
fn of_others() -> PackOptions<'static> {
    PackOptions { keep_xattr: &keep_plain, changes: ChangePolicy::List, ..PackOptions::default() }
}
