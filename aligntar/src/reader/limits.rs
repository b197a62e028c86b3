//! Bounds on what an untrusted archive can cost its reader.

use crate::pax::PAX_BODY_LIMIT;

/// Bounds on what an untrusted archive can make a reader allocate or wait for. Each is a field to be set.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Body of one pax extended header (`x`), bytes. Default 1 MiB, where Go's and libarchive's readers stop too.
    pub pax_body_bytes: u64,
    /// Body of one global pax header (`g`), bytes. Default 64 KiB: every member gets what is in it. Those that one
    /// meets are of `git archive` and have 52 bytes.
    pub global_body_bytes: u64,
    /// A name in a GNU `L` or `K` member, bytes. Default 64 KiB, sixteen times Linux' PATH_MAX.
    pub gnu_name_bytes: u64,
    /// Ranges in the map of one sparse member. Default 1,048,576, which take 16 MiB of memory; GNU tar's own maps have
    /// a few thousand.
    pub sparse_spans: u64,
    /// Headers that may come before a member without being one: extended headers, GNU names, volume labels, dummies.
    /// Default 1024: an `L`, a `K`, an `x` and a `g`, and the 127 dummies that align to 64 KiB, with room.
    pub headers_per_member: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            pax_body_bytes: PAX_BODY_LIMIT,
            global_body_bytes: 64 << 10,
            gnu_name_bytes: 64 << 10,
            sparse_spans: 1 << 20,
            headers_per_member: 1024,
        }
    }
}
