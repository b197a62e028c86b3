//! Changes as members of one archive, deletions among them: as a layer of an OCI image, or as an upper directory has
//! them.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aligntar::{Inode, Kind, Member, PackOptions, Packer, Writer, Xattr};
use layerfs::{Layers, Present, XattrNamespace};
use rustix::fs::Stat;

use super::capture::{CaptureError, Found, walk_inodes};
use super::form::Form;
use super::kept_xattrs::keep_stored;
use super::note::Note;
use super::reserved::{WHITEOUT, is_podmans};
use crate::archive::limits;
use crate::progress::Progress;

/// How a flat archive marks what is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// `.wh.` names.
    Oci,
    /// Devices and attributes.
    Overlay,
}

impl Marks {
    fn form(self) -> Form {
        match self {
            Marks::Oci => Form::Oci,
            Marks::Overlay => Form::Overlay,
        }
    }
}

/// Appends what `layers` change of the image, in the order of the walk; gives how many files have flags that the archive
/// does not keep.
///
/// # Errors
/// [`CaptureError`] for whatever cannot be taken: nothing is left out silently.
pub(crate) fn append_flat(
    layers: &Layers,
    marks: Marks,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<usize, CaptureError> {
    let keep = keep_stored(layers.xattr_ns);
    let mut report = |path: &[u8], moved| progress.member(path, moved);
    let options = PackOptions { keep_xattr: &keep, ..PackOptions::default() };
    let mut packer = Packer::new(writer, options, &mut report);
    let mut flat = Flat { marks, ns: layers.xattr_ns, opaque: None, root: None, is_ambiguous: false };
    let sockets = walk_inodes(layers, &keep, &mut |found| {
        if let Some(inode) = flat.member(found)? {
            packer.append(inode)?;
        }
        Ok(())
    })?;
    limits::directories("the root filesystem's changes", packer.directory_bytes())?;
    let with_flags = packer.with_flags();
    if let Some(root) = flat.root.filter(|_| flat.is_ambiguous || !sockets.is_empty()) {
        writer.append(&Note { form: marks.form(), sockets }.write_on(&root))?;
    }
    Ok(with_flags)
}

/// Changes on their way to members.
struct Flat {
    marks: Marks,
    ns: XattrNamespace,
    /// The directory of the last mark that hides all of the image below it.
    opaque: Option<PathBuf>,
    root: Option<Member>,
    /// Whether a reader could take the archive for one of another form.
    is_ambiguous: bool,
}

impl Flat {
    /// The member that says it, unless one before has said it already.
    fn member(&mut self, found: Found<'_>) -> Result<Option<Inode>, CaptureError> {
        match found {
            Found::Deleted { path, .. } if self.is_hidden(path) => Ok(None),
            Found::Deleted { path, stat } => {
                self.check_name(path)?;
                Ok(Some(self.whiteout(path, stat)))
            }
            Found::Inode { mut inode, present } => {
                self.check_name(present.path)?;
                if self.marks == Marks::Overlay {
                    self.mark(&mut inode.member, present)?;
                }
                if present.path.as_os_str().is_empty() {
                    self.root = Some(inode.member.clone());
                }
                Ok(Some(inode))
            }
        }
    }

    /// Changes come depth first, so those below the last such directory follow it.
    fn is_hidden(&self, path: &Path) -> bool {
        self.opaque.as_ref().is_some_and(|opaque| path.starts_with(opaque))
    }

    /// It has one name and no owner: that of the image counts for nothing.
    fn whiteout(&self, path: &Path, mut stat: Stat) -> Inode {
        stat.st_nlink = 1;
        let bytes = path.as_os_str().as_bytes();
        let member = match self.marks {
            Marks::Overlay => Member::new(bytes, Kind::CharDevice { major: 0, minor: 0 }, 0),
            Marks::Oci => {
                let at = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
                let path = [&bytes[..at], WHITEOUT, &bytes[at..]].concat();
                Member::new(path, Kind::Regular { size: 0 }, 0)
            }
        };
        Inode { member, data: None, stat, has_flags: false }
    }

    fn check_name(&mut self, path: &Path) -> Result<(), CaptureError> {
        let is_whiteouts = path.file_name().is_some_and(|name| name.as_bytes().starts_with(WHITEOUT));
        if is_whiteouts && self.marks == Marks::Oci {
            return Err(CaptureError::Reserved { path: path.to_owned() });
        }
        self.is_ambiguous |= is_whiteouts || is_podmans(path.as_os_str().as_bytes());
        Ok(())
    }

    /// Names attributes as an upper directory does, and marks what is opaque.
    fn mark(&mut self, member: &mut Member, present: &Present<'_>) -> Result<(), CaptureError> {
        for xattr in &mut member.xattrs {
            xattr.name = self.ns.stored_xattr_name(&xattr.name);
        }
        if member.kind == Kind::Directory && !self.is_hidden(present.path) && present.is_opaque()? {
            let name = [self.ns.prefix(), "opaque"].concat().into_bytes();
            member.xattrs.push(Xattr { name, value: b"y".to_vec() });
            self.opaque = Some(present.path.to_owned());
        }
        Ok(())
    }
}
