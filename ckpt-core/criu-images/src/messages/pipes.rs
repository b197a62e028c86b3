//! Pipes, with and without a name: members of [`FileEntry`](super::FileEntry).

/// `pipe_entry`: one end of a pipe.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PipeEntry {
    /// Both ends have this one.
    #[prost(uint32, required, tag = "2")]
    pub pipe_id: u32,
    /// Of open(2).
    #[prost(uint32, required, tag = "3")]
    pub flags: u32,
}

/// `fifo_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FifoEntry {
    /// All ends have this one.
    #[prost(uint32, required, tag = "2")]
    pub pipe_id: u32,
    /// Its path, a [`FileEntry`](super::FileEntry).
    #[prost(uint32, optional, tag = "3")]
    pub regf_id: Option<u32>,
}
