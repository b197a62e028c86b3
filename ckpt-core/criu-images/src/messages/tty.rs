//! Terminals.

use super::ImageMessage;

/// `tty_file_entry`, a member of [`FileEntry`](super::FileEntry).
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct TtyFileEntry {
    /// Of a [`TtyInfoEntry`].
    #[prost(uint32, required, tag = "2")]
    pub tty_info_id: u32,
    /// Its path, a [`FileEntry`](super::FileEntry).
    #[prost(uint32, optional, tag = "6")]
    pub regf_id: Option<u32>,
}

/// `tty_info_entry` of `tty-info.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TtyInfoEntry {
    /// By which [`TtyFileEntry`] names it.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Its size.
    #[prost(message, optional, tag = "11")]
    pub winsize: Option<WinsizeEntry>,
}

/// `winsize_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct WinsizeEntry {
    /// Lines.
    #[prost(uint32, required, tag = "1")]
    pub rows: u32,
    /// Characters in each.
    #[prost(uint32, required, tag = "2")]
    pub columns: u32,
}

impl ImageMessage for TtyInfoEntry {
    const MAGIC: u32 = 0x5945_3036;
    const MAX_BYTES: u64 = 64 << 20;
    const MAX_MESSAGES: usize = 1 << 20;
}
