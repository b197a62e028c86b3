//! Which processes there are.

use super::ImageMessage;

/// `pstree_entry` of `pstree.img`: one for each process.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PstreeEntry {
    /// In the container's PID namespace, as all IDs here.
    #[prost(uint32, required, tag = "1")]
    pub pid: u32,
    /// Its parent; 0 of the first process.
    #[prost(uint32, required, tag = "2")]
    pub ppid: u32,
    /// Its process group.
    #[prost(uint32, required, tag = "3")]
    pub pgid: u32,
    /// Its session.
    #[prost(uint32, required, tag = "4")]
    pub sid: u32,
    /// Its threads, the process itself first.
    #[prost(uint32, repeated, packed = "false", tag = "5")]
    pub threads: Vec<u32>,
}

impl ImageMessage for PstreeEntry {
    const MAGIC: u32 = 0x5027_3030;
    const MAX_BYTES: u64 = 64 << 20;
    /// Linux has no more IDs (`PID_MAX_LIMIT`, linux/threads.h).
    const MAX_MESSAGES: usize = 4 << 20;
}
