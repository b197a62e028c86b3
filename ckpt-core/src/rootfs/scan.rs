//! What the members of an archive of changes say, whichever form it has: which of them are files, and which are marks.
//!
//! | mark | form |
//! |---|---|
//! | `d/.wh.name` | OCI: `d/name` is deleted |
//! | `d/.wh..wh..opq` | OCI: nothing of the image shows in `d` |
//! | `.wh..wh.*` | of AUFS, and nothing to anybody else |
//! | a character device 0:0, or a hard link to one | overlay: the path is deleted |
//! | `trusted.overlay.opaque` of `y` | overlay: nothing of the image shows in the directory |
//! | `…overlay.redirect`, `…overlay.metacopy` | overlay: the content is elsewhere, so the archive is refused |
//!
//! `trusted.` is `user.` where the overlay to be written has its marks there.
//!
//! The archive may come from anybody. Marks name paths, which are resolved like those of members, and their number is
//! limited.

use std::collections::BTreeSet;
use std::fs::File;
use std::iter;
use std::path::{Path, PathBuf};

use aligntar::{Entry, FileSource, Kind, Member, ReadError, Reader, Xattr};
use layerfs::XattrNamespace;

use super::form::Form;
use super::note::Note;
use super::podman_form::Members;
use super::reserved::{AUFS, OPAQUE, WHITEOUT, is_podmans};
use crate::archive::supplement::{Socket, Supplement, relative};
use crate::archive::{ArchiveError, DELETED_FILES, Oversize, ROOTFS_DIFF, limits};

/// Why an archive says nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It is damaged, or none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It has more marks than any container needs.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// A deletion of nothing.
    #[error("{path:?} says that something is deleted, and not what: the archive is refused")]
    BadWhiteout {
        /// The member.
        path: PathBuf,
    },
    /// A deletion in the other form.
    #[error("{path:?} is a whiteout of overlayfs, and none of an OCI layer: take --format overlay")]
    WhiteoutDevice {
        /// The member.
        path: PathBuf,
    },
    /// A member that only points to its content.
    #[error(
        "{path:?} has {xattr}: what it holds is in the image, and not in the archive. Save the container with \
         `ckpt rootfs save`, which takes that in"
    )]
    Elsewhere {
        /// The member.
        path: PathBuf,
        /// The attribute.
        xattr: String,
    },
}

/// An archive, looked through.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) form: Form,
    ns: XattrNamespace,
    /// What is no file.
    pub(crate) supplement: Supplement,
    /// In podman's form, the nested archive of the files.
    diff: Option<Entry>,
}

impl Scan {
    /// Reads the headers of the archive in `file`, which messages call `path`. It has the form that is told, or the one
    /// that its members have; overlayfs' own attributes are in `ns`.
    pub(crate) fn of(file: &File, path: &Path, told: Option<Form>, ns: XattrNamespace) -> Result<Self, ScanError> {
        let form = match told {
            Some(form) => form,
            None => form_of(file, path, ns)?,
        };
        if form == Form::Podman {
            let mut members = Members::default();
            entries(file, path)?.try_for_each(|entry| members.add(entry?, path))?;
            return Ok(Scan { form, ns, supplement: members.supplement(file, path)?, diff: members.diff });
        }
        let mut marks = Marked::of(ns);
        for entry in entries(file, path)? {
            marks.add(entry?.member, form)?;
        }
        Ok(Scan { form, ns, supplement: marks.into_supplement(), diff: None })
    }

    /// The members of the archive that are files, as the container sees them.
    pub(crate) fn files<'s>(
        &'s self,
        file: &'s File,
        path: &'s Path,
    ) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>> + 's, ArchiveError> {
        let deleted: BTreeSet<&Path> = self.supplement.deleted.iter().map(PathBuf::as_path).collect();
        let is_file = move |entry: &Entry| match self.form {
            Form::Podman => true,
            Form::Oci => !is_whiteout_name(&entry.member.path),
            Form::Overlay => !is_whiteout_device(&entry.member, |path| deleted.contains(path)),
        };
        let files = self.members(file, path)?.filter(move |entry| entry.as_ref().map_or(true, &is_file));
        Ok(files.map(|entry| entry.map(|entry| self.as_seen(entry))))
    }

    /// Those of the archive that holds the files: the whole one, or the one in it.
    fn members<'s>(
        &'s self,
        file: &'s File,
        path: &'s Path,
    ) -> Result<Box<dyn Iterator<Item = Result<Entry, ArchiveError>> + 's>, ArchiveError> {
        let damaged = |source: ReadError| ArchiveError::Read { path: path.to_owned(), source };
        Ok(match (self.form, &self.diff) {
            (Form::Podman, None) => Box::new(iter::empty()),
            (Form::Podman, Some(diff)) => Box::new(plain(Reader::open_nested(file, diff).map_err(damaged)?, path)),
            _ => Box::new(entries(file, path)?),
        })
    }

    /// The same member as the container has it: overlayfs' attributes are none of its own.
    fn as_seen(&self, mut entry: Entry) -> Entry {
        if self.form == Form::Overlay {
            entry.member.xattrs.retain_mut(|xattr| match self.ns.merged_xattr_name(&xattr.name) {
                Some(name) => {
                    xattr.name = name;
                    true
                }
                None => false,
            });
        }
        entry
    }
}

/// By the marks that members have: those of podman alone, then those of overlayfs, then OCI's.
fn form_of(file: &File, path: &Path, ns: XattrNamespace) -> Result<Form, ScanError> {
    let (mut has_diff, mut has_others, mut is_overlays) = (false, false, false);
    for entry in entries(file, path)? {
        let member = entry?.member;
        if let Some(note) = Note::read_from(&member) {
            return Ok(note.form);
        }
        has_diff |= [ROOTFS_DIFF, DELETED_FILES].iter().any(|name| member.path == name.as_bytes());
        has_others |= member.path != b"." && !is_podmans(&member.path);
        is_overlays |= is_whiteout_device(&member, |_| false) || member.xattrs.iter().any(|xattr| is_opaque(xattr, ns));
    }
    Ok(match (has_diff && !has_others, is_overlays) {
        (true, _) => Form::Podman,
        (false, true) => Form::Overlay,
        (false, false) => Form::Oci,
    })
}

fn entries<'f>(
    file: &'f File,
    path: &'f Path,
) -> Result<impl Iterator<Item = Result<Entry, ArchiveError>> + 'f, ArchiveError> {
    let reader = Reader::open(file).map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?;
    Ok(plain(reader, path))
}

/// Members by plain paths: `tar -cf x.tar .` writes `./` before each.
fn plain<'f>(reader: Reader<FileSource<'f>>, path: &'f Path) -> impl Iterator<Item = Result<Entry, ArchiveError>> + 'f {
    reader.map(|entry| {
        let mut entry = entry.map_err(|source| ArchiveError::Read { path: path.to_owned(), source })?;
        entry.member.make_plain();
        Ok(entry)
    })
}

/// Marks as they are found.
struct Marked {
    ns: XattrNamespace,
    deleted: BTreeSet<PathBuf>,
    opaque: Vec<PathBuf>,
    sockets: Vec<Socket>,
    bytes: u64,
}

/// What one path takes in memory beside its bytes.
const PATH: usize = 128;

impl Marked {
    fn of(ns: XattrNamespace) -> Self {
        Marked { ns, deleted: BTreeSet::new(), opaque: Vec::new(), sockets: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, member: Member, form: Form) -> Result<(), ScanError> {
        if let Some(note) = Note::read_from(&member) {
            self.sockets = note.sockets;
        }
        match form {
            Form::Oci => self.add_oci(&member),
            _ => self.add_overlay(&member),
        }
    }

    fn add_oci(&mut self, member: &Member) -> Result<(), ScanError> {
        if is_whiteout_device(member, |_| false) {
            return Err(ScanError::WhiteoutDevice { path: relative(&member.path) });
        }
        let (directory, name) = split(&member.path);
        let Some(name) = name.strip_prefix(WHITEOUT) else { return Ok(()) };
        if name == OPAQUE {
            self.opaque(relative(trimmed(directory)))
        } else if name.starts_with(AUFS) {
            Ok(())
        } else if matches!(name, b"" | b"." | b"..") {
            Err(ScanError::BadWhiteout { path: relative(&member.path) })
        } else {
            self.deleted(relative(&[directory, name].concat()))
        }
    }

    fn add_overlay(&mut self, member: &Member) -> Result<(), ScanError> {
        let path = relative(&member.path);
        if is_whiteout_device(member, |path| self.deleted.contains(path)) {
            return self.deleted(path);
        }
        let ns = self.ns;
        for (xattr, name) in member.xattrs.iter().filter_map(|xattr| Some((xattr, own_name(xattr, ns)?))) {
            match name {
                b"redirect" | b"metacopy" => {
                    let xattr = String::from_utf8_lossy(&xattr.name).into_owned();
                    return Err(ScanError::Elsewhere { path, xattr });
                }
                b"opaque" if xattr.value == b"y" => self.opaque(path.clone())?,
                _ => {}
            }
        }
        Ok(())
    }

    fn deleted(&mut self, path: PathBuf) -> Result<(), ScanError> {
        self.count(&path)?;
        self.deleted.insert(path);
        Ok(())
    }

    fn opaque(&mut self, path: PathBuf) -> Result<(), ScanError> {
        self.count(&path)?;
        self.opaque.push(path);
        Ok(())
    }

    fn count(&mut self, path: &Path) -> Result<(), Oversize> {
        self.bytes += (path.as_os_str().len() + PATH) as u64;
        limits::memory("the deletions", self.bytes)
    }

    fn into_supplement(self) -> Supplement {
        let deleted = self.deleted.into_iter().collect();
        Supplement { deleted, opaque: self.opaque, sockets: self.sockets, with_flags: 0 }
    }
}

/// The directory with its slash, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1))
}

/// The root without anything, others without the slash.
fn trimmed(directory: &[u8]) -> &[u8] {
    directory.strip_suffix(b"/").unwrap_or(directory)
}

fn is_whiteout_name(path: &[u8]) -> bool {
    split(path).1.starts_with(WHITEOUT)
}

/// Whether it is one, or another name of one: the kernel makes whiteouts by linking one inode.
fn is_whiteout_device(member: &Member, is_whiteout: impl Fn(&Path) -> bool) -> bool {
    match &member.kind {
        Kind::CharDevice { major: 0, minor: 0 } => true,
        Kind::HardLink { target } => is_whiteout(&relative(target)),
        _ => false,
    }
}

fn is_opaque(xattr: &Xattr, ns: XattrNamespace) -> bool {
    own_name(xattr, ns) == Some(b"opaque") && xattr.value == b"y"
}

/// What an attribute of the overlay itself is called, behind its prefix. An escaped one belongs to another overlay.
fn own_name(xattr: &Xattr, ns: XattrNamespace) -> Option<&[u8]> {
    let name = xattr.name.strip_prefix(ns.prefix().as_bytes())?;
    ns.merged_xattr_name(&xattr.name).is_none().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::{WriteOptions, Writer};

    const NS: XattrNamespace = XattrNamespace::Trusted;

    fn archive(members: &[Member]) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        members.iter().for_each(|member| writer.append(member).unwrap());
        writer.finish().unwrap();
        file
    }

    fn empty(path: &str) -> Member {
        Member::new(path, Kind::Regular { size: 0 }, 0o644)
    }

    fn device(path: &str) -> Member {
        Member::new(path, Kind::CharDevice { major: 0, minor: 0 }, 0)
    }

    fn directory(path: &str, xattr: &str) -> Member {
        let xattrs = vec![Xattr { name: xattr.into(), value: b"y".to_vec() }];
        Member { xattrs, ..Member::new(path, Kind::Directory, 0o755) }
    }

    fn scan(members: &[Member]) -> Result<(Scan, Vec<String>), ScanError> {
        let (file, path) = (archive(members), Path::new("x.tar"));
        let scan = Scan::of(&file, path, None, NS)?;
        let files: Vec<_> = scan.files(&file, path)?.map(|entry| entry.unwrap().member).collect();
        assert!(files.iter().all(|member| member.xattrs.iter().all(|xattr| xattr.name != b"trusted.overlay.opaque")));
        let names = files.into_iter().map(|member| String::from_utf8(member.path).unwrap()).collect();
        Ok((scan, names))
    }

    #[test]
    fn marks_of_a_layer_are_told_from_its_files() {
        let members = ["./a", "./d/.wh.gone", "d/.wh..wh..opq", ".wh.top", ".wh..wh.plnk", "d/new"].map(empty);
        let (scan, files) = scan(&members).unwrap();
        assert_eq!((scan.form, files), (Form::Oci, vec!["a".to_owned(), "d/new".to_owned()]));
        assert_eq!(scan.supplement.deleted, [Path::new("d/gone"), Path::new("top")].map(Path::to_owned));
        assert_eq!(scan.supplement.opaque, [Path::new("d")]);
    }

    #[test]
    fn marks_of_an_upper_directory_are_told_from_its_files() {
        let link = Member::new("e/too", Kind::HardLink { target: b"./e/gone".to_vec() }, 0);
        let members = [
            directory("d", "trusted.overlay.opaque"),
            device("e/gone"),
            link,
            empty("e/.wh.kept"),
            empty("rootfs-diff.tar"),
        ];
        let (scan, files) = scan(&members).unwrap();
        assert_eq!(scan.form, Form::Overlay);
        assert_eq!(files, ["d", "e/.wh.kept", "rootfs-diff.tar"]);
        assert_eq!(scan.supplement.deleted, [Path::new("e/gone"), Path::new("e/too")].map(Path::to_owned));
        assert_eq!(scan.supplement.opaque, [Path::new("d")]);
    }

    #[test]
    fn the_form_is_that_of_the_members() {
        for (members, expected) in [
            (vec![empty("rootfs-diff.tar"), empty("deleted.files"), empty("ckpt.json")], Form::Podman),
            (vec![empty("checkpoint/x.img"), empty("deleted.files")], Form::Podman),
            (vec![empty("rootfs-diff.tar"), empty("etc/passwd")], Form::Oci),
            (vec![directory(".", "user.overlay.opaque")], Form::Oci),
            (vec![directory("d", "trusted.overlay.overlay.opaque")], Form::Oci),
            (vec![], Form::Oci),
        ] {
            let file = archive(&members);
            assert_eq!(form_of(&file, Path::new("x.tar"), NS).unwrap(), expected, "{members:?}");
        }
    }

    #[test]
    fn hostile_marks_are_refused() {
        for path in [".wh.", "d/.wh..", "d/.wh..."] {
            assert!(matches!(scan(&[empty(path)]), Err(ScanError::BadWhiteout { .. })), "{path}");
        }
        let redirected = directory("d", "trusted.overlay.redirect");
        let told = |form| Scan::of(&archive(&[redirected.clone(), device("x")]), Path::new("x.tar"), Some(form), NS);
        assert!(matches!(told(Form::Overlay), Err(ScanError::Elsewhere { .. })));
        assert!(matches!(told(Form::Oci), Err(ScanError::WhiteoutDevice { .. })));
        let many: Vec<Member> = (0..(64 << 10)).map(|name| empty(&format!(".wh.{name:0900}"))).collect();
        assert!(matches!(scan(&many), Err(ScanError::Oversize(_))));
    }
}
