//! Extended attributes and ACLs in records: several keywords for one attribute, and which of them counts.
//!
//! | keyword | name | value | by |
//! |---|---|---|---|
//! | `SCHILY.xattr.NAME` | as it is, `=` and `%` escaped | as it is | star, GNU tar, Go |
//! | `LIBARCHIVE.xattr.NAME` | every odd byte escaped | base64 | libarchive, with `SCHILY.xattr.NAME`, whose name is the same |
//! | `SCHILY.acl.access`, `.default` | that of the kernel's attribute | text, see [`crate::acl`] | star, GNU tar, libarchive |
//!
//! A text that names users without their IDs is no attribute before they are looked up: it stays a record, unless the
//! attribute is there as well. Otherwise the text counts, as for GNU tar and libarchive.

use std::collections::BTreeMap;

use super::record::{PaxError, PaxRecord, SCHILY_XATTR};
use super::value::bad_value;
use crate::acl::Acl;
use crate::member::{Record, Xattr};
use crate::shown::ShownName;

/// Keyword prefix of libarchive's own records.
const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";

/// ACLs as text, and the attributes that are the same.
pub(crate) const ACLS: [(&[u8], &[u8]); 2] =
    [(b"SCHILY.acl.access", b"system.posix_acl_access"), (b"SCHILY.acl.default", b"system.posix_acl_default")];

/// The records of one header that are about attributes; names as they are in the keywords.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    schily: BTreeMap<&'a [u8], &'a [u8]>,
    libarchive: BTreeMap<&'a [u8], PaxRecord<'a>>,
    acls: [&'a [u8]; 2],
}

impl<'a> Attributes<'a> {
    /// Takes `record` if it is one of them; whether it is. Of several the last counts.
    pub(super) fn take(&mut self, record: PaxRecord<'a>) -> bool {
        if let Some(name) = record.keyword.strip_prefix(SCHILY_XATTR) {
            self.schily.insert(name, record.value);
        } else if let Some(name) = record.keyword.strip_prefix(LIBARCHIVE_XATTR) {
            self.libarchive.insert(name, record);
        } else if let Some(which) = ACLS.iter().position(|acl| acl.0 == record.keyword) {
            self.acls[which] = record.value;
        } else {
            return false;
        }
        true
    }

    /// The attributes in the order of their names, and what stays a record.
    pub(super) fn finish(mut self) -> Result<(Vec<Xattr>, Vec<Record>), PaxError> {
        let mut xattrs = BTreeMap::new();
        for (name, record) in std::mem::take(&mut self.libarchive) {
            let value = match self.schily.remove(name) {
                Some(value) => value.to_vec(),
                None => base64(record.value).ok_or_else(|| bad_value(record))?,
            };
            xattrs.insert(decoded(name, is_escaped), value);
        }
        for (name, value) in self.schily {
            xattrs.insert(decode_xattr_name(name), value.to_vec());
        }
        let mut records = Vec::new();
        for ((keyword, name), text) in ACLS.into_iter().zip(self.acls) {
            match Acl::of_text(text).and_then(|acl| acl.to_xattr()) {
                Some(value) => drop(xattrs.insert(name.to_vec(), value)),
                None if text.is_empty() || xattrs.contains_key(name) => {}
                None => records.push(Record { keyword: keyword.to_vec(), value: text.to_vec() }),
            }
        }
        if let Some(name) = xattrs.keys().find(|name| name.is_empty() || name.contains(&0)) {
            return Err(PaxError::AttributeName { name: ShownName::new(name) });
        }
        Ok((xattrs.into_iter().map(|(name, value)| Xattr { name, value }).collect(), records))
    }
}

/// The name behind `SCHILY.xattr.`: GNU tar escapes `=` and `%`.
pub(super) fn decode_xattr_name(name: &[u8]) -> Vec<u8> {
    decoded(name, |byte| matches!(byte, b'=' | b'%'))
}

/// What libarchive escapes in names (archive_write_set_format_pax.c).
fn is_escaped(byte: u8) -> bool {
    !(33..=126).contains(&byte) || matches!(byte, b'%' | b'=')
}

/// `name` with `%XX` as the byte that it stands for, where `is_escaped` says that such bytes are written so.
fn decoded(name: &[u8], is_escaped: impl Fn(u8) -> bool) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match tail {
            [high, low, ..] if byte == b'%' => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        let escaped = escaped.filter(|&byte| is_escaped(byte));
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

/// RFC 4648, with or without filling at the end; `None` if it is something else.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0u32, 0);
    for &letter in &text[..end] {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // Six bits are no byte.
    (count < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::body::encode_xattr_name;
    use super::*;
    use crate::pax::{PaxBody, PaxExtensions};
    use proptest::prelude::*;

    fn parsed(records: &[(&str, &[u8])]) -> Result<Vec<(String, Vec<u8>)>, PaxError> {
        let mut body = PaxBody::default();
        records.iter().for_each(|(keyword, value)| body.push(keyword.as_bytes(), value));
        let xattrs = PaxExtensions::parse(body.as_bytes())?.xattrs.into_iter();
        Ok(xattrs.map(|Xattr { name, value }| (String::from_utf8(name).unwrap(), value)).collect())
    }

    #[test]
    fn libarchives_attributes_count_where_no_other_is() {
        let found = parsed(&[
            ("LIBARCHIVE.xattr.user.b%20c", b"WFlaAA"),
            ("LIBARCHIVE.xattr.user.both", b"b3RoZXI"),
            ("SCHILY.xattr.user.both", b"this"),
            ("LIBARCHIVE.xattr.user.empty", b""),
            ("LIBARCHIVE.xattr.user.filled", b"WA=="),
            ("LIBARCHIVE.xattr.user.o%20dd", b"b3RoZXI"),
            ("SCHILY.xattr.user.o%20dd", b"odd"),
        ]);
        let expected: [(&str, &[u8]); 5] =
            [("b c", b"XYZ\0"), ("both", b"this"), ("empty", b""), ("filled", b"X"), ("o dd", b"odd")];
        assert_eq!(found.unwrap(), expected.map(|(name, value)| (format!("user.{name}"), value.to_vec())));
        for value in [&b"W"[..], b"WF*a", b"WF=a"] {
            let found = parsed(&[("LIBARCHIVE.xattr.user.a", value)]);
            assert!(matches!(found, Err(PaxError::BadValue { .. })), "{value:?}");
        }
    }

    #[test]
    fn names_that_no_attribute_has_are_refused() {
        for keyword in ["SCHILY.xattr.", "SCHILY.xattr.user.a\0b", "LIBARCHIVE.xattr.", "LIBARCHIVE.xattr.user.a%00b"] {
            let found = parsed(&[(keyword, b"")]);
            assert!(matches!(found, Err(PaxError::AttributeName { .. })), "{keyword:?}: {found:?}");
        }
    }

    #[test]
    fn texts_of_acls_are_attributes_once_their_ids_are_known() {
        let of_text = |text: &[u8]| Acl::of_text(text).unwrap().to_xattr().unwrap();
        let known = b"user::rw-,user:lisa:r--:502,group::---,mask::r--,other::---";
        let named = b"user::rw-,user:lisa:r--,group::---,mask::r--,other::---";
        let attribute = ("SCHILY.xattr.system.posix_acl_access", &b"attribute"[..]);
        let found = |name: &str, value: &[u8]| vec![(format!("system.posix_acl_{name}"), value.to_vec())];
        assert_eq!(parsed(&[("SCHILY.acl.access", known)]).unwrap(), found("access", &of_text(known)));
        assert_eq!(parsed(&[("SCHILY.acl.default", known)]).unwrap(), found("default", &of_text(known)));
        assert_eq!(parsed(&[attribute, ("SCHILY.acl.access", known)]).unwrap(), found("access", &of_text(known)));
        assert_eq!(parsed(&[attribute, ("SCHILY.acl.access", named)]).unwrap(), found("access", b"attribute"));
        let mut body = PaxBody::default();
        body.push(b"SCHILY.acl.access", named);
        let extensions = PaxExtensions::parse(body.as_bytes()).unwrap();
        assert_eq!((extensions.xattrs.len(), &extensions.records[0].value[..]), (0, &named[..]));
    }

    proptest! {
        #[test]
        fn xattr_names_come_back(name in prop::collection::vec(1u8..=255, 1..40)) {
            prop_assert_eq!(decode_xattr_name(&encode_xattr_name(&name)), name);
        }
    }
}
