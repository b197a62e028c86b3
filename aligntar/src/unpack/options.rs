//! What of a member is restored, and how.

use std::num::NonZeroUsize;

use crate::beneath::Resolver;
use crate::inode::XattrFilter;
use crate::transfer::ClonePolicy;

/// Which bits of a member's mode its file gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permissions {
    /// All bits; set-id bits only together with the owner. Without the owner a new directory keeps the set-group-ID bit
    /// that it inherits.
    #[default]
    Exact,
    /// The bits for reading, writing and executing, less these bits of a umask, as tar does for ordinary users. A
    /// directory keeps its other bits.
    LessUmask(u32),
}

/// What of a member is restored, and how. The defaults suit a caller without privileges and an untrusted archive.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// Whether to set owner and group, which needs CAP_CHOWN. By default not, and then set-id bits are dropped too.
    pub owner: bool,
    /// Which bits of the mode. By default all.
    pub permissions: Permissions,
    /// Which extended attributes to restore. By default those of the namespace `user` and POSIX ACLs, none that the
    /// kernel acts upon for others: `security.*`, `trusted.*`.
    pub keep_xattr: XattrFilter<'a>,
    /// Whether data may, or must, be cloned. Under [`ClonePolicy::IfPossible`], data of less than 16 KiB is copied,
    /// which is faster.
    pub clone_policy: ClonePolicy,
    /// Threads that make and fill regular files, the calling one included. The calling thread alone makes all else. The
    /// outcome is the same with any number. By default 1: no other thread.
    pub threads: NonZeroUsize,
    /// How directories are opened. By default the best way that the kernel has.
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
