//! POSIX ACLs: the text of `SCHILY.acl.*` records, and the extended attribute that the kernel takes. No I/O.
//!
//! | text, one entry a line or comma (acl(5), star(5)) | tag of linux/posix_acl.h |
//! |---|---|
//! | `user::rwx` | 0x01, the owner |
//! | `user:NAME:rwx`, `user:ID:rwx`, `user:NAME:rwx:ID` | 0x02 |
//! | `group::rwx` | 0x04, the group |
//! | `group:NAME:rwx` and so on | 0x08 |
//! | `mask::rwx` | 0x10 |
//! | `other::rwx` | 0x20 |
//!
//! The attribute (linux/posix_acl_xattr.h) is a version of four bytes, and eight for each entry: tag, rights, ID, all little
//! endian.

use std::str::FromStr;

/// POSIX_ACL_XATTR_VERSION.
const VERSION: u32 = 2;
/// ACL_UNDEFINED_ID: of entries that name nobody.
const NOBODY: u32 = u32::MAX;

/// Whom an entry is for, by its tag; those that name somebody by ID or, unless that is known, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Owner,
    User(Id),
    Group,
    NamedGroup(Id),
    Mask,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Number(u32),
    Name(Vec<u8>),
}

/// An ACL: at least an entry for each of owner, group and others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    /// In the order of the tags; rights are three bits as in a mode.
    entries: Vec<(Whom, u16)>,
}

/// Looks for the ID of a user or a group.
pub(crate) trait Names {
    fn user(&self, name: &[u8]) -> Option<u32>;
    fn group(&self, name: &[u8]) -> Option<u32>;
}

impl Acl {
    /// The ACL that a record says; `None` if it says none.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        let entries = text.split(|byte| matches!(byte, b'\n' | b',')).map(|entry| {
            // `#effective:r--` is a remark of acl_to_text(3).
            let end = entry.iter().position(|&byte| byte == b'#').unwrap_or(entry.len());
            entry[..end].trim_ascii()
        });
        Acl::of(entries.filter(|entry| !entry.is_empty()).map(entry_of_text).collect::<Option<_>>()?)
    }

    /// The ACL that an attribute holds; `None` if it holds none, or not as the kernel gives it: in text it would become
    /// another value.
    pub(crate) fn of_xattr(value: &[u8]) -> Option<Self> {
        let (version, entries) = value.split_first_chunk()?;
        let (entries, []) = entries.as_chunks::<8>() else { return None };
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let acl = Acl::of(entries.iter().map(entry_of_bytes).collect::<Option<_>>()?)?;
        (acl.to_xattr()? == value).then_some(acl)
    }

    fn of(mut entries: Vec<(Whom, u16)>) -> Option<Self> {
        entries.sort();
        let count = |whom: Whom| entries.iter().filter(|entry| entry.0 == whom).count();
        let names_somebody = entries.iter().any(|(whom, _)| matches!(whom, Whom::User(_) | Whom::NamedGroup(_)));
        let has_mask = count(Whom::Mask) == 1 || !names_somebody && count(Whom::Mask) == 0;
        let is_whole = [Whom::Owner, Whom::Group, Whom::Other].into_iter().all(|whom| count(whom) == 1);
        (is_whole && has_mask).then_some(Acl { entries })
    }

    /// The same with all names looked up; `None` if one is not known.
    pub(crate) fn resolved(self, names: &impl Names) -> Option<Self> {
        let entries = self.entries.into_iter().map(|(whom, rights)| {
            let whom = match whom {
                Whom::User(Id::Name(name)) => Whom::User(Id::Number(names.user(&name)?)),
                Whom::NamedGroup(Id::Name(name)) => Whom::NamedGroup(Id::Number(names.group(&name)?)),
                whom => whom,
            };
            Some((whom, rights))
        });
        Acl::of(entries.collect::<Option<_>>()?)
    }

    /// The value of the attribute; `None` while it has names.
    pub(crate) fn to_xattr(&self) -> Option<Vec<u8>> {
        let mut value = VERSION.to_le_bytes().to_vec();
        for (whom, rights) in &self.entries {
            let (tag, id) = match whom {
                Whom::Owner => (0x01u16, NOBODY),
                Whom::User(Id::Number(id)) => (0x02, *id),
                Whom::Group => (0x04, NOBODY),
                Whom::NamedGroup(Id::Number(id)) => (0x08, *id),
                Whom::Mask => (0x10, NOBODY),
                Whom::Other => (0x20, NOBODY),
                Whom::User(Id::Name(_)) | Whom::NamedGroup(Id::Name(_)) => return None,
            };
            value.extend(tag.to_le_bytes());
            value.extend(rights.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        Some(value)
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

    /// The nine bits that a file with this access ACL has in its mode: those of the group are the mask's (acl(5)).
    pub(crate) fn mode(&self) -> u32 {
        let group = self.rights(Whom::Mask).or_else(|| self.rights(Whom::Group));
        let [owner, group, other] =
            [self.rights(Whom::Owner), group, self.rights(Whom::Other)].map(|rights| rights.unwrap_or(0));
        u32::from(owner) << 6 | u32::from(group) << 3 | u32::from(other)
    }

    /// What of these bits the owning group itself has, as bits of a mode.
    pub(crate) fn owning_group(&self) -> u32 {
        u32::from(self.rights(Whom::Group).unwrap_or(0) & self.rights(Whom::Mask).unwrap_or(0o7)) << 3
    }

    fn rights(&self, wanted: Whom) -> Option<u16> {
        self.entries.iter().find(|(whom, _)| *whom == wanted).map(|&(_, rights)| rights)
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

/// The ID behind the rights says who is meant where the archive was made; a name of digits alone is an ID as well.
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

fn entry_of_bytes(entry: &[u8; 8]) -> Option<(Whom, u16)> {
    let [t0, t1, r0, r1, id @ ..] = *entry;
    let (id, rights) = (Id::Number(u32::from_le_bytes(id)), u16::from_le_bytes([r0, r1]));
    let whom = match u16::from_le_bytes([t0, t1]) {
        0x01 => Whom::Owner,
        0x02 if id != Id::Number(NOBODY) => Whom::User(id),
        0x04 => Whom::Group,
        0x08 if id != Id::Number(NOBODY) => Whom::NamedGroup(id),
        0x10 => Whom::Mask,
        0x20 => Whom::Other,
        _ => return None,
    };
    (rights <= 7).then_some((whom, rights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Known;

    impl Names for Known {
        fn user(&self, name: &[u8]) -> Option<u32> {
            (name == b"lisa").then_some(502)
        }

        fn group(&self, name: &[u8]) -> Option<u32> {
            (name == b"domain users").then_some(7)
        }
    }

    fn resolved(text: &str) -> Option<String> {
        let acl = Acl::of_text(text.as_bytes())?.resolved(&Known)?;
        assert_eq!(Acl::of_xattr(&acl.to_xattr().unwrap()).as_ref(), Some(&acl));
        assert_eq!(Acl::of_text(&acl.to_text()), Some(acl.clone()));
        Some(String::from_utf8(acl.to_text()).unwrap())
    }

    #[test]
    fn every_writers_text_is_read() {
        let whole = "user::rw-,user:502:r--,group::---,group:7:-w-,mask::rw-,other::---";
        for text in [
            // star and bsdtar, GNU tar, GNU tar with numbers, acl_to_text with remarks, Solaris, short tags.
            "user::rw-,user:lisa:r--:502,group::---,group:x:-w-:7,mask::rw-,other::---",
            "user::rw-\nuser:lisa:r--\ngroup::---\ngroup:domain\\040users:-w-\nmask::rw-\nother::---\n",
            "user::rw-\nuser:502:r--\ngroup::---\ngroup:7:-w-\nmask::rw-\nother::---\n",
            "user::rw-,user:lisa:r--\t#effective:r--,group::---,group:7:-w-#effective:---,mask::rw-,other::---",
            "mask:rw-,other:---,group:7:-w-,group::---,user:lisa:r--,user::rw-",
            "u::rw,u:somebody:r:502,g::,g:7:w,m::rw,o::",
        ] {
            assert_eq!(resolved(text).as_deref(), Some(whole), "{text}");
        }
        assert_eq!(resolved("user::rwx,group::r-x,mask::r--,other::---").unwrap().len(), 41);
        assert_eq!(resolved("user::rwx,group::r-x,other::---").unwrap().len(), 31);
    }

    #[test]
    fn what_is_no_acl_is_none() {
        for text in [
            "",
            "user::rwx",
            "user::rwx,group::r-x",
            "user::rwx,user::r--,group::r-x,other::---",
            "user::rwx,user:1:r--,group::r-x,other::---",
            "user::rwx,group::r-x,other::--s",
            "user::rwx,group::r-x,other:1:---",
            "user::rwx,user:1:r--:x,group::r-x,mask::---,other::---",
            "user::rwx,user:1:r--:4294967295,group::r-x,mask::---,other::---",
            "user::rwx,user:nobody-knows:r--,group::r-x,mask::---,other::---",
            "owner@:rwx,group::r-x,other::---",
        ] {
            assert_eq!(resolved(text), None, "{text}");
        }
    }

    #[test]
    fn an_attribute_that_text_would_change_is_none() {
        let value =
            Acl::of_text(b"user::rwx,user:1:r--,user:2:r--,group::r-x,mask::r--,other::---").unwrap().to_xattr();
        let value = value.unwrap();
        assert!(Acl::of_xattr(&value).is_some());
        let swapped = [&value[..12], &value[20..28], &value[12..20], &value[28..]].concat();
        let mut owned = value.clone();
        owned[8] = 5;
        for other in [&swapped, &owned, &value[..value.len() - 1].to_vec()] {
            assert_eq!(Acl::of_xattr(other), None);
        }
    }

    #[test]
    fn the_mask_is_the_groups_bits() {
        let mode = |text: &str| Acl::of_text(text.as_bytes()).unwrap().mode();
        assert_eq!(mode("user::rwx,group::r-x,mask::r--,other::---"), 0o740);
        assert_eq!(mode("user::rw-,user:lisa:rwx,group::---,mask::rwx,other::--x"), 0o671);
        assert_eq!(mode("user::rw-,group::r-x,other::---"), 0o650);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Acl::of_text(&text);
            let _ = Acl::of_xattr(&text);
        }
    }
}
