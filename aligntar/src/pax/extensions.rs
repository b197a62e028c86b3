//! What the records of an extended header say of a member.

use std::sync::Arc;

use super::attributes::Attributes;
use super::record::{COMMENT, PaxError, PaxRecord, VENDOR_PADDING, records};
use super::sparse::SparseRecords;
use super::value::{name, number, owner, path, timestamp};
use crate::member::{Record, Timestamp, Xattr};

/// Keyword prefix of what describes a sparse member.
const GNU_SPARSE: &[u8] = b"GNU.sparse.";

/// What an extended header says of the member behind it; `None` where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaxExtensions {
    /// `path`
    pub path: Option<Vec<u8>>,
    /// `linkpath`
    pub linkpath: Option<Vec<u8>>,
    /// `size`, bytes; wins over the header's field.
    pub size: Option<u64>,
    /// `uid`
    pub uid: Option<u64>,
    /// `gid`
    pub gid: Option<u64>,
    /// `uname`
    pub uname: Option<Arc<[u8]>>,
    /// `gname`
    pub gname: Option<Arc<[u8]>>,
    /// `mtime`
    pub mtime: Option<Timestamp>,
    /// `SCHILY.xattr.*`, `LIBARCHIVE.xattr.*`, and `SCHILY.acl.*` that name nobody without an ID
    pub xattrs: Vec<Xattr>,
    /// What has no meaning here, in the order it stands; paddings are dropped.
    pub records: Vec<Record>,
    /// `GNU.sparse.*`, if there is any.
    pub sparse: Option<Box<SparseRecords>>,
    taken_back: TakenBack,
}

/// Whose value is empty: what a global header says of it does not count (POSIX pax); what the member's own header block
/// says does, as in Go, since a member without an owner is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TakenBack {
    uid: bool,
    gid: bool,
    uname: bool,
    gname: bool,
    mtime: bool,
}

impl PaxExtensions {
    /// Reads the body of an `x` or `g` header; of records with one keyword the last wins, an empty value takes the
    /// record back (POSIX pax).
    ///
    /// # Errors
    /// [`PaxError`], for the first record that breaks the format or holds a value that cannot be used.
    pub fn parse(body: &[u8]) -> Result<Self, PaxError> {
        let (mut extensions, mut attributes) = (PaxExtensions::default(), Attributes::default());
        for record in records(body) {
            let record = record?;
            if !attributes.take(record) {
                extensions.take(record)?;
            }
        }
        let (xattrs, texts) = attributes.finish()?;
        extensions.xattrs = xattrs;
        extensions.records.extend(texts);
        Ok(extensions)
    }

    fn take(&mut self, record: PaxRecord<'_>) -> Result<(), PaxError> {
        let is_empty = record.value.is_empty();
        match record.keyword {
            b"path" => self.path = path(record)?,
            b"linkpath" => self.linkpath = path(record)?,
            b"size" => self.size = number(record)?,
            b"uid" => (self.uid, self.taken_back.uid) = (owner(record)?, is_empty),
            b"gid" => (self.gid, self.taken_back.gid) = (owner(record)?, is_empty),
            b"uname" => (self.uname, self.taken_back.uname) = (name(record)?, is_empty),
            b"gname" => (self.gname, self.taken_back.gname) = (name(record)?, is_empty),
            b"mtime" => (self.mtime, self.taken_back.mtime) = (timestamp(record)?, is_empty),
            COMMENT | VENDOR_PADDING => {}
            keyword => {
                if let Some(name) = keyword.strip_prefix(GNU_SPARSE) {
                    self.sparse.get_or_insert_default().take(name, record)?;
                } else {
                    self.records.push(Record { keyword: keyword.to_vec(), value: record.value.to_vec() });
                }
            }
        }
        Ok(())
    }

    /// Reads the body of a `g` header, of which owner, their names and the time count for the members that follow.
    ///
    /// Attributes and records without a meaning are dropped: for all members at once, a small archive could take all
    /// memory with them.
    ///
    /// # Errors
    /// As [`PaxExtensions::parse`], and [`PaxError::Global`].
    pub fn parse_global(body: &[u8]) -> Result<Self, PaxError> {
        let extensions = Self::parse(body)?;
        let refused = [
            ("path", extensions.path.is_some()),
            ("linkpath", extensions.linkpath.is_some()),
            ("size", extensions.size.is_some()),
            ("GNU.sparse", extensions.sparse.is_some()),
        ];
        if let Some((keyword, _)) = refused.into_iter().find(|(_, is_there)| *is_there) {
            return Err(PaxError::Global { keyword });
        }
        Ok(PaxExtensions { xattrs: Vec::new(), records: Vec::new(), ..extensions })
    }

    /// These extensions, and where they say nothing of owner or time, those of `global`; names are shared with it.
    pub fn or(mut self, global: &PaxExtensions) -> Self {
        fn or<T: Clone>(own: &mut Option<T>, global: &Option<T>, is_taken_back: bool) {
            if own.is_none() && !is_taken_back {
                own.clone_from(global);
            }
        }
        or(&mut self.uid, &global.uid, self.taken_back.uid);
        or(&mut self.gid, &global.gid, self.taken_back.gid);
        or(&mut self.uname, &global.uname, self.taken_back.uname);
        or(&mut self.gname, &global.gname, self.taken_back.gname);
        or(&mut self.mtime, &global.mtime, self.taken_back.mtime);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pax::PaxBody;
    use crate::shown::ShownName;

    #[test]
    fn values_may_hold_newlines_and_records() {
        let mut body = PaxBody::default();
        body.push(b"SCHILY.xattr.user.a", b"x\n20 size=99\n\0\xff=");
        body.push(b"size", b"7");
        let extensions = PaxExtensions::parse(body.as_bytes()).unwrap();
        assert_eq!(extensions.size, Some(7));
        assert_eq!(extensions.xattrs[0].value, b"x\n20 size=99\n\0\xff=");
    }

    #[test]
    fn the_last_record_wins_and_an_empty_one_takes_back() {
        let extensions = PaxExtensions::parse(b"10 path=a\n10 path=b\n9 size=5\n8 size=\n").unwrap();
        assert_eq!(extensions.path.as_deref(), Some(&b"b"[..]));
        assert_eq!(extensions.size, None);
    }

    #[test]
    fn broken_records_are_named() {
        let cases: [(&[u8], PaxError); 7] = [
            (b"x size=1\n", PaxError::NoLength { offset: 0 }),
            (b"99 size=1\n", PaxError::BadLength { offset: 0, length: 99 }),
            (b"1 size=1\n", PaxError::BadLength { offset: 0, length: 1 }),
            (b"9 size=12\n", PaxError::Malformed { offset: 0 }),
            (b"7 size\n", PaxError::Malformed { offset: 0 }),
            (b"10 path=a\n9 size5\n\n", PaxError::Malformed { offset: 10 }),
            (b"10 size=-\n", PaxError::BadValue { keyword: ShownName::new(b"size"), value: ShownName::new(b"-") }),
        ];
        for (body, expected) in cases {
            assert_eq!(PaxExtensions::parse(body), Err(expected), "{:?}", String::from_utf8_lossy(body));
        }
        assert!(PaxExtensions::parse(b"11 path=a\0\n").is_err());
        assert!(PaxExtensions::parse(b"99999999999999999999999 a=b\n").is_err());
    }

    #[test]
    fn records_without_a_meaning_are_kept_and_paddings_are_not() {
        let mut body = PaxBody::default();
        for keyword in ["atime", "comment", "SCHILY.fflags", "CKPT.pad", "uname", "GNU.sparse.major", "LIBARCHIVE.x"] {
            body.push(keyword.as_bytes(), b"1");
        }
        let extensions = PaxExtensions::parse(body.as_bytes()).unwrap();
        let kept: Vec<_> = extensions.records.iter().map(|record| &record.keyword[..]).collect();
        assert_eq!(kept, [&b"atime"[..], b"SCHILY.fflags", b"LIBARCHIVE.x"]);
        assert_eq!(extensions.uname.as_deref(), Some(&b"1"[..]));
    }

    #[test]
    fn an_empty_record_takes_back_what_a_global_one_said() {
        let before = PaxExtensions::parse_global(b"8 uid=7\n8 gid=7\n11 mtime=5\n11 uname=u\n11 gname=g\n").unwrap();
        let empty = b"7 uid=\n7 gid=\n9 mtime=\n9 uname=\n9 gname=\n";
        for taken_back in [PaxExtensions::parse(empty), PaxExtensions::parse_global(empty)] {
            let PaxExtensions { uid, gid, mtime, uname, gname, .. } = taken_back.unwrap().or(&before);
            assert_eq!((uid, gid, mtime, uname, gname), (None, None, None, None, None));
        }
        assert_eq!(PaxExtensions::parse_global(b"8 path=\n8 size=\n").map(|global| global.path), Ok(None));
    }

    #[test]
    fn names_of_a_global_header_are_shared() {
        let global = PaxExtensions::parse_global(b"11 uname=u\n").unwrap();
        let [one, other] = [(); 2].map(|()| PaxExtensions::default().or(&global).uname.unwrap());
        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn owners_below_zero_are_none_that_a_file_system_has() {
        let extensions = PaxExtensions::parse(b"9 uid=-1\n9 gid=-2\n").unwrap();
        assert_eq!((extensions.uid, extensions.gid), (Some(u64::MAX), Some(u64::MAX - 1)));
        for value in ["-", "--1", "1-", "-99999999999999999999"] {
            let mut body = PaxBody::default();
            body.push(b"uid", value.as_bytes());
            assert!(PaxExtensions::parse(body.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn global_records_give_owner_and_time_and_nothing_that_finds_members() {
        let global = PaxExtensions::parse_global(b"8 uid=7\n11 mtime=5\n11 uname=u\n13 atime=1.5\n8 size=\n").unwrap();
        let local = PaxExtensions { uid: Some(8), ..PaxExtensions::default() }.or(&global);
        assert_eq!((local.uid, local.uname.as_deref()), (Some(8), Some(&b"u"[..])));
        assert_eq!(local.mtime, Some(Timestamp { secs: 5, nanos: 0 }));
        assert!(local.records.is_empty());
        for (keyword, record) in [("path", "10 path=a\n"), ("linkpath", "14 linkpath=a\n"), ("size", "9 size=5\n")] {
            assert_eq!(PaxExtensions::parse_global(record.as_bytes()), Err(PaxError::Global { keyword }));
        }
    }
}
