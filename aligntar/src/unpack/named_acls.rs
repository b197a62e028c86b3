//! ACLs that name users and groups, as GNU tar writes them. The names are looked up on this host.

use std::borrow::Cow;

use nix::unistd::{Group, User};

use crate::acl::{Acl, Names};
use crate::entry::Entry;
use crate::member::Xattr;
use crate::pax::ACLS;

/// Users and groups of this host.
struct Host;

impl Names for Host {
    fn user(&self, name: &[u8]) -> Option<u32> {
        Some(User::from_name(std::str::from_utf8(name).ok()?).ok()??.uid.as_raw())
    }

    fn group(&self, name: &[u8]) -> Option<u32> {
        Some(Group::from_name(std::str::from_utf8(name).ok()?).ok()??.gid.as_raw())
    }
}

/// `entry` with these ACLs as extended attributes.
///
/// An ACL that is invalid, or names somebody unknown here, becomes an attribute that the kernel refuses, and is
/// reported as such. Without one of its entries, the ACL would mean something else.
pub(super) fn with_ids(entry: &Entry) -> Cow<'_, Entry> {
    let acl_of = |keyword: &[u8]| ACLS.iter().find(|acl| acl.0 == keyword);
    if entry.member.records.iter().all(|record| acl_of(&record.keyword).is_none()) {
        return Cow::Borrowed(entry);
    }
    let mut entry = entry.clone();
    for record in &entry.member.records {
        if let Some((_, name)) = acl_of(&record.keyword) {
            let known = Acl::of_text(&record.value).and_then(|acl| acl.resolved(&Host)?.to_xattr());
            let value = known.unwrap_or_else(|| record.value.clone());
            entry.member.xattrs.push(Xattr { name: name.to_vec(), value });
        }
    }
    Cow::Owned(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{Kind, Member, Record};

    fn attribute_of(text: &str) -> Vec<u8> {
        let mut member = Member::new("a", Kind::Fifo, 0o640);
        member.records.push(Record { keyword: b"SCHILY.acl.access".to_vec(), value: text.as_bytes().to_vec() });
        let entry = Entry { member, header_offset: 0, data_offset: 512, stored_len: 0, sparse: None };
        let entry = with_ids(&entry);
        assert_eq!(entry.member.xattrs[0].name, b"system.posix_acl_access");
        entry.member.xattrs[0].value.clone()
    }

    #[test]
    fn names_are_those_of_this_host() {
        let known = attribute_of("user::rw-,user:root:r--,group::---,group:root:r--,mask::r--,other::---");
        let numbers = Acl::of_text(b"user::rw-,user:0:r--,group::---,group:0:r--,mask::r--,other::---").unwrap();
        assert_eq!(Some(known), numbers.to_xattr());
        let unknown = "user::rw-,user:nobody knows whom:r--,group::---,mask::r--,other::---";
        assert_eq!(attribute_of(unknown), unknown.as_bytes());
    }
}
