//! The members of a checkpoint archive in memory, without those of nested archives. An archive with more members, or
//! longer names, than any checkpoint has is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use aligntar::{EndMarker, Entry, Kind, Member, Reader};

use super::error::ArchiveError;
use super::limits;
use super::names::PARENT;

/// Where [`PARENT`] leads, below the bundle.
const PRE_CHECKPOINT: &[u8] = b"../pre-checkpoint";

/// The members of the archive in `file`, which messages call `path`, by their paths.
pub(super) fn index(path: &Path, file: &File) -> Result<BTreeMap<Vec<u8>, Entry>, ArchiveError> {
    let read_error = |source| ArchiveError::Read { path: path.to_owned(), source };
    let (mut entries, mut paths) = (BTreeMap::new(), 0);
    // A checkpoint without its end may have lost members as well.
    let reader = Reader::open(file).map_err(read_error)?.with_end_marker(EndMarker::Required);
    for entry in reader {
        let entry = plain(entry.map_err(read_error)?);
        let member = || String::from_utf8_lossy(&entry.member.path).into_owned();
        if !is_plain(&entry) {
            return Err(ArchiveError::Foreign { path: path.to_owned(), member: member() });
        }
        if entries.contains_key(&entry.member.path) {
            return Err(ArchiveError::Twice { path: path.to_owned(), member: member() });
        }
        paths += entry.member.path.len();
        entries.insert(entry.member.path.clone(), Entry { member: without_attributes(entry.member), ..entry });
        if limits::members(entries.len(), paths).is_err() {
            return Err(ArchiveError::TooMany { path: path.to_owned() });
        }
    }
    Ok(entries)
}

/// Whether a member is one that podman, or this program, could have written outside of the nested archives. Other
/// spellings of a path would pass for another member; other links in CRIU's directory would lead out of it; neither
/// writes sparse members.
fn is_plain(entry: &Entry) -> bool {
    let Entry { member, sparse, .. } = entry;
    let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
    let is_root = member.path == b"." && member.kind == Kind::Directory;
    let is_file = matches!(member.kind, Kind::Regular { .. } | Kind::Directory) && sparse.is_none();
    let is_parent = member.path == PARENT.as_bytes()
        && matches!(&member.kind, Kind::Symlink { target } if target == PRE_CHECKPOINT);
    is_root || is_parent || is_file && member.path.split(|&byte| byte == b'/').all(is_name)
}

/// Members by the names that they are looked up with: `tar -cf x.tar .` writes `./` before each.
pub(super) fn plain(mut entry: Entry) -> Entry {
    entry.member.make_plain();
    entry
}

/// What podman's own files and CRIU's images are, without what an archive may say of them at any length.
fn without_attributes(member: Member) -> Member {
    Member { uname: Arc::default(), gname: Arc::default(), xattrs: Vec::new(), records: Vec::new(), ..member }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::{Record, Timestamp, WriteOptions, Writer, Xattr};

    #[test]
    fn members_are_found_whatever_stands_before_their_names() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        writer.append(&Member::new(".", Kind::Directory, 0o700)).unwrap();
        writer.append_bytes(&Member::new("./config.dump", Kind::Regular { size: 2 }, 0o600), b"{}").unwrap();
        writer.finish().unwrap();
        let entries = index(Path::new("x.tar"), &file).unwrap();
        assert!(entries.contains_key(&b"config.dump"[..]), "{entries:?}");
    }

    #[test]
    fn no_more_of_a_member_is_kept_than_it_takes_to_find_it() {
        let file = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
        let long = || vec![b'v'; 1000];
        let member = Member {
            uname: long().into(),
            mtime: Timestamp { secs: 7, nanos: 0 },
            xattrs: vec![Xattr { name: b"user.x".to_vec(), value: long() }],
            records: vec![Record { keyword: b"VENDOR.x".to_vec(), value: long() }],
            ..Member::new("ctr.log", Kind::Regular { size: 1 }, 0o640)
        };
        writer.append_bytes(&member, b"x").unwrap();
        writer.finish().unwrap();
        let entries = index(Path::new("x.tar"), &file).unwrap();
        let kept = &entries[&b"ctr.log"[..]].member;
        let bare = Member { mtime: member.mtime, ..Member::new("ctr.log", Kind::Regular { size: 1 }, 0o640) };
        assert_eq!(kept, &bare);
    }
}
