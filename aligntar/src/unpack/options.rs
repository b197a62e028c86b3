//! What of a member is restored, and how.

use std::num::NonZeroUsize;

use crate::beneath::Resolver;
use crate::inode::XattrFilter;
use crate::transfer::ClonePolicy;

/// Which bits of a member's mode its file gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// All that it may have: set-id bits only together with the owner. Without the owner a new directory keeps the
    /// set-group-ID bit that it has from the one above.
    #[default]
    Exact,
    /// Those for reading, writing and executing, less these bits of a umask, as tar does it for ordinary users; what else
    /// a directory has stays.
    LessUmask(u32),
}

/// What of a member is restored, and how; all defaults are for who has no rights and trusts no archive.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// Give owner and group back; needs CAP_CHOWN. By default not, and then set-id bits are dropped as well.
    pub owner: bool,
    /// Which bits of the mode. By default all.
    pub permissions: Permissions,
    /// Which extended attributes to restore. By default those of the namespace `user` and POSIX ACLs, none that the
    /// kernel acts upon for others: `security.*`, `trusted.*`.
    pub keep_xattr: XattrFilter<'a>,
    /// Whether data may, or must, be cloned. Under [`ClonePolicy::IfPossible`], data of less than 16 KiB is copied,
    /// which is faster.
    pub clone_policy: ClonePolicy,
    /// Threads that make and fill regular files, the calling one included, which alone makes all else; the outcome is
    /// that of one thread. By default 1: no other thread.
    pub threads: NonZeroUsize,
    /// How directories are found. By default what the kernel can do best.
    pub resolver: Resolver,
    /// Bytes of memory for directories that wait for their attributes. By default 256 MiB, about a million directories.
    pub pending_bytes: usize,
}

impl Default for UnpackOptions<'_> {
    fn default() -> Self {
        UnpackOptions {
            owner: false,
            permissions: Permissions::default(),
            keep_xattr: &|name| name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_"),
            clone_policy: ClonePolicy::default(),
            threads: NonZeroUsize::MIN,
            resolver: Resolver::of_kernel(),
            pending_bytes: 256 << 20,
        }
    }
}
