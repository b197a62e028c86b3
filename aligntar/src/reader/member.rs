//! A member put together from its header and the extensions before it.

use std::mem::take;

use super::error::ReadError;
use crate::acl::Acl;
use crate::member::{Kind, Member, Timestamp};
use crate::parse::ParsedHeader;
use crate::pax::PaxExtensions;
use crate::shown::lossy;

/// Extensions that wait for the member they belong to.
#[derive(Default)]
pub(super) struct Pending {
    /// Where the first header of the member is.
    pub(super) header_offset: u64,
    /// From `x`; of several in a row the last counts, as in GNU tar.
    pub(super) local: Option<PaxExtensions>,
    /// From GNU `L`.
    pub(super) path: Option<Vec<u8>>,
    /// From GNU `K`.
    pub(super) linkname: Option<Vec<u8>>,
}

impl Pending {
    pub(super) fn at(header_offset: u64) -> Self {
        Pending { header_offset, ..Pending::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.local.is_none() && self.path.is_none() && self.linkname.is_none()
    }

    /// Whether they name the member: an empty name is none.
    pub(super) fn has_path(&self) -> bool {
        fn by_pax(pax: &PaxExtensions) -> Option<&Vec<u8>> {
            pax.sparse.as_ref().and_then(|sparse| sparse.name.as_ref()).or(pax.path.as_ref())
        }
        let path = self.local.as_ref().and_then(by_pax).or(self.path.as_ref());
        path.is_some_and(|path| !path.is_empty())
    }

    /// All of them as one; pax wins over GNU names, and the name of a sparse file over its path, as in GNU tar.
    pub(super) fn into_extensions(self, global: &PaxExtensions) -> PaxExtensions {
        let mut extensions = self.local.unwrap_or_default().or(global);
        let sparse_name = extensions.sparse.as_mut().and_then(|sparse| sparse.name.take());
        extensions.path = sparse_name.or(extensions.path).or(self.path);
        extensions.linkpath = extensions.linkpath.or(self.linkname);
        extensions
    }
}

/// The member of `header`, at `offset`. The size of a regular file is that of its stored data.
pub(super) fn member(offset: u64, mut header: ParsedHeader, extensions: PaxExtensions) -> Result<Member, ReadError> {
    let mode = mode(header.mode, &extensions);
    let path = extensions.path.unwrap_or_else(|| take(&mut header.path));
    let linkname = extensions.linkpath.unwrap_or_else(|| take(&mut header.linkname));
    let size = extensions.size.unwrap_or(header.size);
    let kind = kind(offset, &header, &path, linkname, size)?;
    Ok(Member {
        path: trim_slashes(path),
        kind,
        mode,
        uid: extensions.uid.unwrap_or(header.uid),
        gid: extensions.gid.unwrap_or(header.gid),
        uname: extensions.uname.unwrap_or(header.uname),
        gname: extensions.gname.unwrap_or(header.gname),
        mtime: extensions.mtime.unwrap_or(Timestamp { secs: header.mtime, nanos: 0 }),
        xattrs: extensions.xattrs,
        records: extensions.records,
    })
}

fn kind(offset: u64, header: &ParsedHeader, path: &[u8], linkname: Vec<u8>, size: u64) -> Result<Kind, ReadError> {
    let (major, minor) = (header.devmajor, header.devminor);
    Ok(match header.typeflag {
        // v7 had no typeflag for directories, only the slash.
        0 | b'0' | b'7' if path.ends_with(b"/") => Kind::Directory,
        b'1' => Kind::HardLink { target: trim_slashes(linkname) },
        b'2' => Kind::Symlink { target: linkname },
        b'3' => Kind::CharDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        // `D` has the names in the directory as its data, for incremental backups of GNU tar.
        b'5' | b'D' => Kind::Directory,
        b'6' => Kind::Fifo,
        b'M' => {
            let what = "the rest of a file that begins on another volume".to_owned();
            return Err(ReadError::Unsupported { offset, path: lossy(path), what });
        }
        // POSIX: a reader takes an unknown typeflag for a regular file.
        _ => Kind::Regular { size },
    })
}

/// The mode, corrected by an access ACL. An ACL says more than the mode and sets its bits. GNU tar and libarchive set
/// it after the mode, so it counts where the two differ.
fn mode(of_header: u32, extensions: &PaxExtensions) -> u32 {
    let xattr = extensions.xattrs.iter().find(|xattr| xattr.name == b"system.posix_acl_access");
    let record = extensions.records.iter().find(|record| record.keyword == b"SCHILY.acl.access");
    let acl = match (xattr, record) {
        (Some(xattr), _) => Acl::of_xattr(&xattr.value),
        (None, Some(record)) => Acl::of_text(&record.value),
        (None, None) => None,
    };
    acl.map_or(of_header, |acl| of_header & !0o777 | acl.mode())
}

/// Without slashes at the end; what is left of the root itself is `.`.
fn trim_slashes(mut path: Vec<u8>) -> Vec<u8> {
    let was_empty = path.is_empty();
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    path.truncate(end);
    if path.is_empty() && !was_empty {
        path.push(b'.');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_name_names_nothing() {
        let named = |path: &[u8]| {
            let mut pax = PaxExtensions::default();
            pax.path = Some(path.to_vec());
            pax
        };
        let pending = |local: Option<&[u8]>, path: Option<&[u8]>| Pending {
            local: local.map(named),
            path: path.map(<[u8]>::to_vec),
            ..Pending::default()
        };
        for (local, path, expected) in [
            (None, None, false),
            (None, Some(&b""[..]), false),
            (Some(&b""[..]), None, false),
            (Some(b""), Some(b"a"), false),
            (None, Some(b"a"), true),
            (Some(b"a"), Some(b""), true),
        ] {
            assert_eq!(pending(local, path).has_path(), expected, "{local:?} {path:?}");
        }
    }

    #[test]
    fn paths_lose_what_says_nothing() {
        let cases: [(&str, &str); 9] = [
            ("a", "a"),
            ("a/", "a"),
            ("./a//", "./a"),
            ("././a/b", "././a/b"),
            ("./", "."),
            (".", "."),
            ("/", "."),
            ("/a", "/a"),
            ("", ""),
        ];
        for (path, trimmed) in cases {
            assert_eq!(trim_slashes(path.into()), trimmed.as_bytes(), "{path:?}");
        }
    }
}
