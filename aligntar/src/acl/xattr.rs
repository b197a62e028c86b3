//! The extended attribute of an ACL.

use super::entries::{Acl, Id, NOBODY, Whom};

/// POSIX_ACL_XATTR_VERSION.
const VERSION: u32 = 2;

impl Acl {
    /// The ACL in an attribute. `None` if it is not one, or not in the form that the kernel gives: as text it would
    /// become another value.
    pub(crate) fn of_xattr(value: &[u8]) -> Option<Self> {
        let (version, entries) = value.split_first_chunk()?;
        let (entries, []) = entries.as_chunks::<8>() else { return None };
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        let acl = Acl::of(entries.iter().map(entry_of_bytes).collect::<Option<_>>()?)?;
        (acl.to_xattr()? == value).then_some(acl)
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
