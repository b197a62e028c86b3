//! Xattrs that have IDs in them: POSIX ACLs and file capabilities.

use super::{IdMap, to_container, to_host};

const ACL_ACCESS: &[u8] = b"system.posix_acl_access";
const ACL_DEFAULT: &[u8] = b"system.posix_acl_default";
const CAPABILITY: &[u8] = b"security.capability";

/// An ACL is a version and entries of tag, permissions and ID, 2 + 2 + 4 bytes (`linux/posix_acl_xattr.h`).
const ACL_HEADER: usize = 4;
const ACL_ENTRY: usize = 8;
const ACL_USER: u16 = 0x02;
const ACL_GROUP: u16 = 0x08;

/// The revision is the first word's highest byte; revision 3 has the namespace's root behind the sets of revision 2
/// (`struct vfs_ns_cap_data`, `linux/capability.h`).
const REVISION: u32 = 0xff00_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const REVISION_2_LEN: usize = 20;
const REVISION_3_LEN: usize = 24;

impl IdMap {
    /// An xattr's value as the container sees it, given what is on the disk.
    pub fn xattr_in_container(&self, name: &[u8], value: Vec<u8>) -> Vec<u8> {
        if self.is_identity() {
            return value;
        }
        match name {
            ACL_ACCESS | ACL_DEFAULT => {
                let (user, group) = (|id| Some(to_container(&self.uids, id)), |id| Some(to_container(&self.gids, id)));
                map_acl(value, user, group).expect("every ID is seen as one")
            }
            CAPABILITY => self.capability_in_container(value),
            _ => value,
        }
    }

    /// An xattr's value on the disk, given what the container sees; `None` if it names IDs that the container has not.
    pub fn xattr_on_disk(&self, name: &[u8], value: Vec<u8>) -> Option<Vec<u8>> {
        if self.is_identity() {
            return Some(value);
        }
        match name {
            ACL_ACCESS | ACL_DEFAULT => map_acl(value, |id| to_host(&self.uids, id), |id| to_host(&self.gids, id)),
            CAPABILITY => self.capability_on_disk(value),
            _ => Some(value),
        }
    }

    /// Capabilities that the container's own root gave: it sees them in revision 2.
    fn capability_in_container(&self, mut value: Vec<u8>) -> Vec<u8> {
        if let Some(root) = namespace_root(&value) {
            match to_container(&self.uids, root) {
                0 => {
                    value.truncate(REVISION_2_LEN);
                    set_revision(&mut value, REVISION_2);
                }
                root => value[REVISION_2_LEN..].copy_from_slice(&root.to_le_bytes()),
            }
        }
        value
    }

    fn capability_on_disk(&self, mut value: Vec<u8>) -> Option<Vec<u8>> {
        let root = to_host(&self.uids, namespace_root(&value).unwrap_or(0))?;
        if matches!(value.len(), REVISION_2_LEN | REVISION_3_LEN) {
            value.truncate(REVISION_2_LEN);
            set_revision(&mut value, REVISION_3);
            value.extend(root.to_le_bytes());
        }
        Some(value)
    }
}

/// Maps the ID of every named user and group; `None` if one of them has none on the other side.
fn map_acl(
    mut value: Vec<u8>,
    user: impl Fn(u32) -> Option<u32>,
    group: impl Fn(u32) -> Option<u32>,
) -> Option<Vec<u8>> {
    let entries = value.get_mut(ACL_HEADER..).unwrap_or_default();
    let (entries, _) = entries.as_chunks_mut::<ACL_ENTRY>();
    for [tag0, tag1, _, _, id @ ..] in entries {
        let old = u32::from_le_bytes(*id);
        let new = match u16::from_le_bytes([*tag0, *tag1]) {
            ACL_USER => user(old)?,
            ACL_GROUP => group(old)?,
            _ => continue,
        };
        *id = new.to_le_bytes();
    }
    Some(value)
}

fn first_word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn set_revision(value: &mut [u8], revision: u32) {
    if let Some(word) = value.first_chunk_mut() {
        *word = (u32::from_le_bytes(*word) & !REVISION | revision).to_le_bytes();
    }
}

fn namespace_root(value: &[u8]) -> Option<u32> {
    if value.len() != REVISION_3_LEN || first_word(value)? & REVISION != REVISION_3 {
        return None;
    }
    value.last_chunk().map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::super::tests::shifted;
    use super::*;

    fn acl(user: u32, group: u32) -> Vec<u8> {
        let mut acl = 2_u32.to_le_bytes().to_vec();
        for (tag, id) in [(1_u16, u32::MAX), (2, user), (4, u32::MAX), (8, group), (16, u32::MAX), (32, u32::MAX)] {
            acl.extend(tag.to_le_bytes());
            acl.extend(7_u16.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        acl
    }

    fn capability(revision: u32, root: Option<u32>) -> Vec<u8> {
        let mut value = (revision | 1).to_le_bytes().to_vec();
        value.extend([0x55; 16]);
        value.extend(root.into_iter().flat_map(u32::to_le_bytes));
        value
    }

    #[test]
    fn acls_are_shifted_but_for_owners_and_masks() {
        let map = shifted(100_000);
        for name in [ACL_ACCESS, ACL_DEFAULT] {
            assert_eq!(map.xattr_on_disk(name, acl(5, 6)), Some(acl(100_005, 100_006)));
            assert_eq!(map.xattr_in_container(name, acl(100_005, 100_006)), acl(5, 6));
            assert_eq!(map.xattr_on_disk(name, acl(5, 70_000)), None);
        }
        assert_eq!(IdMap::default().xattr_on_disk(ACL_ACCESS, acl(5, 6)), Some(acl(5, 6)));
        assert_eq!(map.xattr_on_disk(b"user.note", acl(5, 6)), Some(acl(5, 6)));
        assert_eq!(map.xattr_on_disk(ACL_ACCESS, vec![2, 0]), Some(vec![2, 0]));
    }

    #[test]
    fn capabilities_belong_to_the_namespaces_root() {
        let map = shifted(100_000);
        let (inside, outside) = (capability(REVISION_2, None), capability(REVISION_3, Some(100_000)));
        assert_eq!(map.xattr_on_disk(CAPABILITY, inside.clone()), Some(outside.clone()));
        assert_eq!(map.xattr_in_container(CAPABILITY, outside.clone()), inside);
        assert_eq!(map.xattr_in_container(CAPABILITY, inside.clone()), inside);
        let nested = capability(REVISION_3, Some(5));
        assert_eq!(map.xattr_on_disk(CAPABILITY, nested.clone()), Some(capability(REVISION_3, Some(100_005))));
        assert_eq!(map.xattr_on_disk(CAPABILITY, vec![1]), Some(vec![1]));
    }
}
