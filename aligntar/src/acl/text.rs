//! The text of an ACL, as in `SCHILY.acl.*` records.

use std::str::FromStr;

use super::entries::{Acl, Id, NOBODY, Whom};

impl Acl {
    /// The ACL in a record; `None` if the text is not one.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        let entries = text.split(|byte| matches!(byte, b'\n' | b',')).map(|entry| {
            // `#effective:r--` is a remark of acl_to_text(3).
            let end = entry.iter().position(|&byte| byte == b'#').unwrap_or(entry.len());
            entry[..end].trim_ascii()
        });
        Acl::of(entries.filter(|entry| !entry.is_empty()).map(entry_of_text).collect::<Option<_>>()?)
    }

    /// As GNU tar and bsdtar read it, numbers in place of names.
    pub(crate) fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (whom, rights) in &self.entries {
            let (tag, id) = match whom {
                Whom::Owner => ("user", None),
                Whom::User(id) => ("user", Some(id)),
                Whom::Group => ("group", None),
                Whom::NamedGroup(id) => ("group", Some(id)),
                Whom::Mask => ("mask", None),
                Whom::Other => ("other", None),
            };
            text.extend_from_slice(if text.is_empty() { b"" } else { b"," });
            text.extend_from_slice(tag.as_bytes());
            text.push(b':');
            match id {
                Some(Id::Number(id)) => text.extend_from_slice(id.to_string().as_bytes()),
                Some(Id::Name(name)) => text.extend_from_slice(name),
                None => {}
            }
            text.push(b':');
            text.extend(
                [(4, b'r'), (2, b'w'), (1, b'x')].map(|(bit, letter)| if rights & bit > 0 { letter } else { b'-' }),
            );
        }
        text
    }
}

fn entry_of_text(entry: &[u8]) -> Option<(Whom, u16)> {
    let fields: Vec<_> = entry.split(|&byte| byte == b':').map(<[u8]>::trim_ascii).collect();
    let (tag, name, rights, id) = match fields[..] {
        [tag @ (b"mask" | b"m" | b"other" | b"o"), rights] => (tag, &b""[..], rights, &b""[..]),
        [tag, name, rights] => (tag, name, rights, &b""[..]),
        [tag, name, rights, id] => (tag, name, rights, id),
        _ => return None,
    };
    let is_for_all = name.is_empty() && id.is_empty();
    let whom = match tag {
        b"user" | b"u" if is_for_all => Whom::Owner,
        b"user" | b"u" => Whom::User(id_of_text(name, id)?),
        b"group" | b"g" if is_for_all => Whom::Group,
        b"group" | b"g" => Whom::NamedGroup(id_of_text(name, id)?),
        b"mask" | b"m" if is_for_all => Whom::Mask,
        b"other" | b"o" if is_for_all => Whom::Other,
        _ => return None,
    };
    Some((whom, rights_of_text(rights)?))
}

/// An ID behind the rights is that of the host where the archive was made. A name of digits alone is an ID too.
fn id_of_text(name: &[u8], id: &[u8]) -> Option<Id> {
    let number = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        u32::from_str(text).ok().filter(|&id| id != NOBODY)
    };
    match (number(id), number(name)) {
        (Some(id), _) => Some(Id::Number(id)),
        (None, _) if !id.is_empty() => None,
        (None, Some(id)) => Some(Id::Number(id)),
        (None, None) => Some(Id::Name(unescaped(name))),
    }
}

/// acl_to_text(3) writes blanks and others as a backslash and three octal digits.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, tail) = match tail {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if byte == b'\\' => {
                ((a & 7) << 6 | (b & 7) << 3 | c & 7, tail)
            }
            _ => (byte, tail),
        };
        plain.push(byte);
        rest = tail;
    }
    plain
}

fn rights_of_text(text: &[u8]) -> Option<u16> {
    text.iter().try_fold(0, |rights, letter| match letter {
        b'r' => Some(rights | 4),
        b'w' => Some(rights | 2),
        b'x' => Some(rights | 1),
        b'-' => Some(rights),
        _ => None,
    })
}
