//! One 512-byte header block, written as POSIX ustar and read in every dialect: bytes in, bytes out, no I/O.

mod field;

use std::borrow::Cow;

use tar::{EntryType, Header};

use crate::align::Block;
use crate::member::{Kind, Member};
use crate::pax::PaxBody;

/// Largest number of a field of 8 bytes: seven octal digits (uid, gid, devmajor, devminor).
const OCTAL_7: u64 = 0o7_777_777;
/// Largest number of a field of 12 bytes: eleven octal digits (size, mtime).
const OCTAL_11: u64 = 0o77_777_777_777;
/// Length of the field `name` in bytes.
const NAME_LEN: usize = 100;
/// Length of the field `prefix` in bytes.
const PREFIX_LEN: usize = 155;
/// Longest name in the fields `uname` and `gname` in bytes; a NUL follows it.
const OWNER_NAME_LEN: usize = 31;

/// The records that `member` needs for what its own header cannot hold.
pub(crate) fn pax_records(member: &Member) -> PaxBody {
    let mut body = PaxBody::default();
    push_paths(&mut body, member);
    push_numbers(&mut body, member);
    push_owner_names(&mut body, member);
    for xattr in &member.xattrs {
        body.push_xattr(xattr);
    }
    for record in &member.records {
        body.push(&record.keyword, &record.value);
    }
    body
}

fn push_paths(body: &mut PaxBody, member: &Member) {
    let path = archived_path(member);
    if split_path(&path).is_none() {
        body.push(b"path", &path);
    }
    if let Kind::HardLink { target } | Kind::Symlink { target } = &member.kind
        && target.len() > NAME_LEN
    {
        body.push(b"linkpath", target);
    }
}

fn push_numbers(body: &mut PaxBody, member: &Member) {
    for (keyword, value, limit) in
        [("size", member.size(), OCTAL_11), ("uid", member.uid, OCTAL_7), ("gid", member.gid, OCTAL_7)]
    {
        if value > limit {
            body.push(keyword.as_bytes(), value.to_string().as_bytes());
        }
    }
    if member.mtime.nanos != 0 || !(0..=OCTAL_11 as i64).contains(&member.mtime.secs) {
        body.push_mtime(member.mtime);
    }
}

fn push_owner_names(body: &mut PaxBody, member: &Member) {
    for (keyword, name) in [("uname", &member.uname), ("gname", &member.gname)] {
        if name.len() > OWNER_NAME_LEN {
            body.push(keyword.as_bytes(), name);
        }
    }
}

/// The header of the extended header itself: typeflag `x`, and a name that old readers can make a file of.
pub(crate) fn pax_header(body: &PaxBody) -> Block {
    let mut header = Header::new_ustar();
    set_name(&mut header, b"././@PaxHeader", b"");
    header.set_entry_type(EntryType::XHeader);
    let ustar = header.as_ustar_mut().expect("the header was made as ustar");
    field::number(&mut ustar.mode, 0o644);
    field::number(&mut ustar.uid, 0);
    field::number(&mut ustar.gid, 0);
    field::number(&mut ustar.mtime, 0);
    field::number(&mut ustar.size, body.as_bytes().len() as u64);
    finished(header)
}

/// The header of `member`. What does not fit is cut here and stands in full in [`pax_records`].
pub(crate) fn member_header(member: &Member) -> Block {
    let mut header = Header::new_ustar();
    let path = archived_path(member);
    let (prefix, name) = split_path(&path).unwrap_or((b"", &path[..NAME_LEN.min(path.len())]));
    set_name(&mut header, name, prefix);
    set_kind(&mut header, &member.kind);
    let ustar = header.as_ustar_mut().expect("the header was made as ustar");
    field::number(&mut ustar.mode, member.mode.into());
    // Eight bytes hold no larger number in base-256, and the record wins.
    field::number(&mut ustar.uid, member.uid.min(u32::MAX.into()));
    field::number(&mut ustar.gid, member.gid.min(u32::MAX.into()));
    field::number(&mut ustar.size, member.size());
    field::number(&mut ustar.mtime, (member.mtime.secs.max(0) as u64).min(OCTAL_11));
    fill(&mut ustar.uname[..OWNER_NAME_LEN], &member.uname);
    fill(&mut ustar.gname[..OWNER_NAME_LEN], &member.gname);
    finished(header)
}

/// `header` once more, for data of `size` bytes (base-256 where eleven octal digits do not hold it).
pub(crate) fn with_size(header: &Block, size: u64) -> Block {
    let mut header = Header::from_byte_slice(header).clone();
    field::number(&mut header.as_old_mut().size, size);
    finished(header)
}

/// The block of a header that has everything but its checksum.
fn finished(mut header: Header) -> Block {
    field::set_checksum(header.as_mut_bytes());
    *header.as_bytes()
}

/// The path as it stands in the archive: directories end in a slash.
fn archived_path(member: &Member) -> Cow<'_, [u8]> {
    match member.kind {
        // An empty name is no root.
        Kind::Directory if !member.path.is_empty() => [&member.path, &b"/"[..]].concat().into(),
        _ => (&member.path[..]).into(),
    }
}

fn set_kind(header: &mut Header, kind: &Kind) {
    let entry_type = match kind {
        Kind::Regular { .. } => EntryType::Regular,
        Kind::HardLink { .. } => EntryType::Link,
        Kind::Symlink { .. } => EntryType::Symlink,
        Kind::CharDevice { .. } => EntryType::Char,
        Kind::BlockDevice { .. } => EntryType::Block,
        Kind::Directory => EntryType::Directory,
        Kind::Fifo => EntryType::Fifo,
    };
    header.set_entry_type(entry_type);
    let ustar = header.as_ustar_mut().expect("the header was made as ustar");
    match kind {
        Kind::HardLink { target } | Kind::Symlink { target } => fill(&mut ustar.linkname, target),
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            field::number(&mut ustar.dev_major, (*major).into());
            field::number(&mut ustar.dev_minor, (*minor).into());
        }
        _ => {}
    }
}

fn set_name(header: &mut Header, name: &[u8], prefix: &[u8]) {
    let ustar = header.as_ustar_mut().expect("the header was made as ustar");
    fill(&mut ustar.name, name);
    fill(&mut ustar.prefix, prefix);
}

fn fill(field: &mut [u8], value: &[u8]) {
    let len = value.len().min(field.len());
    field[..len].copy_from_slice(&value[..len]);
}

/// `path` as prefix and name, split at a slash so that both fit their fields; `None` if there is no such slash.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_LEN {
        return Some((b"", path));
    }
    let first = path.len().checked_sub(NAME_LEN + 1)?;
    let slash = first + path[first..].iter().position(|&byte| byte == b'/')?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (!name.is_empty() && !prefix.is_empty() && prefix.len() <= PREFIX_LEN).then_some((prefix, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::Record;

    #[test]
    fn long_paths_split_at_a_slash() {
        let long = [vec![b'a'; 150], b"/".to_vec(), vec![b'b'; 100]].concat();
        let (prefix, name) = split_path(&long).unwrap();
        assert_eq!((prefix.len(), name.len()), (150, 100));
        assert_eq!(split_path(&[b'a'; 101]), None);
        assert_eq!(split_path(&[vec![b'a'; 156], b"/b".to_vec()].concat()), None);
        assert_eq!(split_path(b"short"), Some((&b""[..], &b"short"[..])));
    }

    #[test]
    fn a_slash_at_the_end_is_no_place_to_split() {
        let directory = [vec![b'a'; 120], b"/".to_vec()].concat();
        assert_eq!(split_path(&directory), None);
    }

    #[test]
    fn only_what_does_not_fit_needs_records() {
        let mut member = Member::new("plain", Kind::Regular { size: OCTAL_11 }, 0o644);
        assert!(pax_records(&member).as_bytes().is_empty());
        member.kind = Kind::Regular { size: OCTAL_11 + 1 };
        assert_eq!(pax_records(&member).as_bytes(), b"19 size=8589934592\n");
    }

    #[test]
    fn owner_names_go_into_the_header_or_a_record() {
        let mut member = Member::new("plain", Kind::Fifo, 0o644);
        member.uname = [b'u'; 31].into();
        member.gname = [b'g'; 32].into();
        assert_eq!(pax_records(&member).as_bytes(), [&b"42 gname="[..], &[b'g'; 32], b"\n"].concat());
        let block = member_header(&member);
        assert_eq!(block[265..297], [&[b'u'; 31][..], b"\0"].concat());
        assert_eq!(block[297..329], [&[b'g'; 31][..], b"\0"].concat());
    }

    #[test]
    fn records_without_a_meaning_are_written_back() {
        let mut member = Member::new("plain", Kind::Fifo, 0o644);
        member.records.push(Record { keyword: b"atime".to_vec(), value: b"1.5".to_vec() });
        assert_eq!(pax_records(&member).as_bytes(), b"13 atime=1.5\n");
    }

    #[test]
    fn sizes_past_eight_gib_are_base_256() {
        let block = with_size(&member_header(&Member::new("n", Kind::Regular { size: 0 }, 0o600)), 1 << 40);
        let header = Header::from_byte_slice(&block);
        assert_eq!(block[124], 0x80);
        assert_eq!(header.size().unwrap(), 1 << 40);
    }

    #[test]
    fn ids_beyond_any_field_do_not_break_the_header() {
        let mut member = Member::new("n", Kind::Fifo, 0o600);
        (member.uid, member.gid) = (u64::MAX, 1 << 60);
        let block = member_header(&member);
        let header = Header::from_byte_slice(&block);
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (u32::MAX.into(), u32::MAX.into()));
        assert!(pax_records(&member).as_bytes().starts_with(b"28 uid=18446744073709551615\n"));
    }
}
