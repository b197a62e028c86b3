//! Extended header records, `"%d %s=%s\n"` (POSIX pax, "pax Extended Header"): bytes in, bytes out, no I/O.

mod body;
mod sparse;
mod value;

use crate::member::{Record, Timestamp, Xattr};
use crate::shown::ShownName;
pub use body::PaxBody;
pub use sparse::SparseRecords;
use value::{decode_xattr_name, number, path, timestamp};

/// Keyword prefix of extended attributes, as star, GNU tar, libarchive and Go write them.
const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";

/// Keyword prefix of what describes a sparse member.
const GNU_SPARSE: &[u8] = b"GNU.sparse.";

/// Keyword whose value readers ignore (POSIX pax); its value is the padding in front of aligned data.
const COMMENT: &[u8] = b"comment";

/// Keyword of the padding as a record of our own, which some readers warn of.
const VENDOR_PADDING: &[u8] = b"CKPT.pad";

/// Longest body of an extended header in bytes: Go's and libarchive's readers refuse longer ones.
pub const PAX_BODY_LIMIT: u64 = 1 << 20;

/// Why an extended header cannot be understood; offsets count bytes from the start of its body.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PaxError {
    /// The record does not start with a decimal length and a space.
    #[error("pax record at byte {offset} has no length")]
    NoLength {
        /// Where the record starts.
        offset: usize,
    },
    /// The record's length goes past the end of the extended header, or is shorter than the record's own frame.
    #[error("pax record at byte {offset} gives its length as {length}, which does not fit")]
    BadLength {
        /// Where the record starts.
        offset: usize,
        /// The length it claims.
        length: usize,
    },
    /// No newline at the end, or no `=`.
    #[error("pax record at byte {offset} is not of the form \"length keyword=value\\n\"")]
    Malformed {
        /// Where the record starts.
        offset: usize,
    },
    /// A path, link target, size or sparse map for all members that follow: of the readers that are out there some obey
    /// and some do not, so that what the archive holds would depend on who reads it. No writer makes such records.
    #[error("global pax record {keyword:?} would change all members that follow")]
    Global {
        /// The record's keyword.
        keyword: &'static str,
    },
    /// A numeric record that is not a number, or a path that holds a NUL byte.
    #[error("pax record {keyword:?} has a value that cannot be used: {value:?}")]
    BadValue {
        /// The record's keyword.
        keyword: ShownName,
        /// Its value.
        value: ShownName,
    },
}

/// One `length keyword=value` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaxRecord<'a> {
    /// Left of the first `=`.
    pub keyword: &'a [u8],
    /// Right of it: any bytes, newlines too; only the length says where it ends.
    pub value: &'a [u8],
}

/// The records of an extended header's body, by their lengths.
///
/// Zero bytes after the last record are taken for filling, as some writers leave them.
///
/// # Errors
/// Each item may be a [`PaxError`]; nothing follows one.
pub fn records(body: &[u8]) -> impl Iterator<Item = Result<PaxRecord<'_>, PaxError>> {
    let mut offset = 0;
    std::iter::from_fn(move || {
        if body[offset..].iter().all(|&byte| byte == 0) {
            return None;
        }
        match record_at(body, offset) {
            Ok((record, next)) => {
                offset = next;
                Some(Ok(record))
            }
            Err(error) => {
                offset = body.len();
                Some(Err(error))
            }
        }
    })
}

/// The record that starts at `offset`, and the offset behind it.
fn record_at(body: &[u8], offset: usize) -> Result<(PaxRecord<'_>, usize), PaxError> {
    let rest = &body[offset..];
    let digits = rest.iter().take(20).take_while(|byte| byte.is_ascii_digit()).count();
    let length = std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse::<usize>().ok());
    let (Some(length), Some(b' ')) = (length, rest.get(digits)) else {
        return Err(PaxError::NoLength { offset });
    };
    if length > rest.len() || length < digits + 2 {
        return Err(PaxError::BadLength { offset, length });
    }
    let malformed = PaxError::Malformed { offset };
    let Some(text) = rest[digits + 1..length].strip_suffix(b"\n") else { return Err(malformed) };
    let Some(equals) = text.iter().position(|&byte| byte == b'=') else { return Err(malformed) };
    Ok((PaxRecord { keyword: &text[..equals], value: &text[equals + 1..] }, offset + length))
}

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
    pub uname: Option<Vec<u8>>,
    /// `gname`
    pub gname: Option<Vec<u8>>,
    /// `mtime`
    pub mtime: Option<Timestamp>,
    /// `SCHILY.xattr.*`
    pub xattrs: Vec<Xattr>,
    /// What has no meaning here, in the order it stands; paddings are dropped.
    pub records: Vec<Record>,
    /// `GNU.sparse.*`, if there is any.
    pub sparse: Option<Box<SparseRecords>>,
}

impl PaxExtensions {
    /// Reads the body of an `x` or `g` header; of records with one keyword the last wins, an empty value takes the
    /// record back (POSIX pax).
    ///
    /// # Errors
    /// [`PaxError`], for the first record that breaks the format or holds a value that cannot be used.
    pub fn parse(body: &[u8]) -> Result<Self, PaxError> {
        let mut extensions = PaxExtensions::default();
        for record in records(body) {
            extensions.take(record?)?;
        }
        extensions.keep_last_xattrs();
        Ok(extensions)
    }

    fn take(&mut self, record: PaxRecord<'_>) -> Result<(), PaxError> {
        match record.keyword {
            b"path" => self.path = path(record)?,
            b"linkpath" => self.linkpath = path(record)?,
            b"size" => self.size = number(record)?,
            b"uid" => self.uid = number(record)?,
            b"gid" => self.gid = number(record)?,
            b"uname" => self.uname = path(record)?,
            b"gname" => self.gname = path(record)?,
            b"mtime" => self.mtime = timestamp(record)?,
            COMMENT | VENDOR_PADDING => {}
            keyword => {
                if let Some(name) = keyword.strip_prefix(GNU_SPARSE) {
                    self.sparse.get_or_insert_default().take(name, record)?;
                } else if let Some(name) = keyword.strip_prefix(SCHILY_XATTR) {
                    self.xattrs.push(Xattr { name: decode_xattr_name(name), value: record.value.to_vec() });
                } else {
                    self.records.push(Record { keyword: keyword.to_vec(), value: record.value.to_vec() });
                }
            }
        }
        Ok(())
    }

    /// Of attributes with one name the last wins; a stable sort keeps their order.
    fn keep_last_xattrs(&mut self) {
        self.xattrs.reverse();
        self.xattrs.sort_by(|one, other| one.name.cmp(&other.name));
        self.xattrs.dedup_by(|one, other| one.name == other.name);
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

    /// These extensions, and where they say nothing of owner or time, those of `global`.
    pub fn or(mut self, global: &PaxExtensions) -> Self {
        self.uid = self.uid.or(global.uid);
        self.gid = self.gid.or(global.gid);
        self.uname = self.uname.or_else(|| global.uname.clone());
        self.gname = self.gname.or_else(|| global.gname.clone());
        self.mtime = self.mtime.or(global.mtime);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn records_come_back(values in prop::collection::vec(("[a-z.]{1,9}", prop::collection::vec(any::<u8>(), 0..1200)), 0..9)) {
            let mut body = PaxBody::default();
            for (keyword, value) in &values {
                body.push(keyword.as_bytes(), value);
            }
            let read: Vec<_> = records(body.as_bytes()).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), values.len());
            for (record, (keyword, value)) in read.iter().zip(&values) {
                prop_assert_eq!(record.keyword, keyword.as_bytes());
                prop_assert_eq!(record.value, &value[..]);
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = PaxExtensions::parse(&body);
        }
    }
}
