//! The descriptors of processes, and where their paths begin.

use super::ImageMessage;

/// `fdinfo_entry` of `fdinfo-ID.img`: one for each descriptor of the processes with this `files_id`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FdinfoEntry {
    /// Of a [`FileEntry`](super::FileEntry).
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// `FD_CLOEXEC` is 1.
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// `fd_types`, as the [`FileEntry`](super::FileEntry) has it.
    #[prost(uint32, required, tag = "3")]
    pub kind: u32,
    /// The descriptor.
    #[prost(uint32, required, tag = "4")]
    pub fd: u32,
}

impl ImageMessage for FdinfoEntry {
    const MAGIC: u32 = 0x5621_3732;
    const MAX_BYTES: u64 = 64 << 20;
    /// `fs.nr_open` is often a million.
    const MAX_MESSAGES: usize = 4 << 20;
}

/// `fs_entry` of `fs-PID.img`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct FsEntry {
    /// The working directory, a [`FileEntry`](super::FileEntry).
    #[prost(uint32, required, tag = "1")]
    pub cwd_id: u32,
    /// The root, another one.
    #[prost(uint32, required, tag = "2")]
    pub root_id: u32,
}

impl ImageMessage for FsEntry {
    const MAGIC: u32 = 0x5140_3912;
    const MAX_BYTES: u64 = 4096;
    const MAX_MESSAGES: usize = 1;
}

/// `remap_file_path_entry` of `remap-fpath.img`: one for each open file without a name of its own.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct RemapFilePathEntry {
    /// The [`FileEntry`](super::FileEntry).
    #[prost(uint32, required, tag = "1")]
    pub orig_id: u32,
    /// What CRIU restores in its place.
    #[prost(uint32, required, tag = "2")]
    pub remap_id: u32,
}

impl ImageMessage for RemapFilePathEntry {
    const MAGIC: u32 = 0x5913_3954;
    const MAX_BYTES: u64 = 64 << 20;
    const MAX_MESSAGES: usize = 4 << 20;
}
