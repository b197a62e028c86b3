//! One record, `"%d %s=%s\n"`: found in the body of an extended header by its length.

use crate::shown::ShownName;

/// Keyword prefix of extended attributes, as star, GNU tar, libarchive and Go write them.
pub(super) const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";

/// Keyword whose value readers ignore (POSIX pax); its value is the padding in front of aligned data.
pub(super) const COMMENT: &[u8] = b"comment";

/// Keyword of the padding as a record of our own, which some readers warn of.
pub(super) const VENDOR_PADDING: &[u8] = b"CKPT.pad";

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
    /// An extended attribute whose name is empty, or holds a NUL byte.
    #[error("{name:?} is no name of an extended attribute")]
    AttributeName {
        /// It.
        name: ShownName,
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
