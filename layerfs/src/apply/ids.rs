//! Owners and ACLs of what is made in the upperdir, as they are to be on the disk.

use std::path::Path;

use rustix::io::Errno;

use super::error::ApplyError;
use super::upperdir::Upperdir;

impl Upperdir {
    pub(super) fn owner_on_disk(&self, owner: (u32, u32), path: &Path) -> Result<(u32, u32), ApplyError> {
        self.ids.owner_on_disk(owner).ok_or_else(|| ApplyError::Owner { path: path.into(), owner })
    }

    pub(super) fn xattr_on_disk(&self, name: &[u8], value: Vec<u8>, path: &Path) -> Result<Vec<u8>, ApplyError> {
        let xattr = || String::from_utf8_lossy(name).into_owned();
        self.ids.xattr_on_disk(name, value).ok_or_else(|| ApplyError::XattrIds { path: path.into(), name: xattr() })
    }

    /// Removes the ACLs that a new file inherits from its parent, which was copied up with its default ACL. `made` is a
    /// path through the descriptor of the file.
    pub(super) fn drop_inherited_acls(&self, made: &str, path: &Path) -> Result<(), ApplyError> {
        for name in ["system.posix_acl_access", "system.posix_acl_default"] {
            match rustix::fs::removexattr(made, name) {
                // What is no directory has no default ACL; some file systems say so, some have none at all.
                Ok(()) | Err(Errno::NODATA | Errno::NOTSUP | Errno::ACCESS) => {}
                Err(errno) => return Err(self.refused("remove the inherited ACL of", path)(errno)),
            }
        }
        Ok(())
    }
}
