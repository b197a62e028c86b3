//! Mounts, and the names of a host.

use super::ImageMessage;

/// `mnt_entry` of `mountpoints-ID.img`: one for each mount of a mount namespace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MntEntry {
    /// CRIU's number of the file system's kind; see [`MntEntry::file_system`].
    #[prost(uint32, required, tag = "1")]
    pub fstype: u32,
    /// The kernel's number of it.
    #[prost(uint32, required, tag = "2")]
    pub mnt_id: u32,
    /// The mount that it lies on.
    #[prost(uint32, required, tag = "4")]
    pub parent_mnt_id: u32,
    /// `MS_…` of mount(2).
    #[prost(uint32, required, tag = "5")]
    pub flags: u32,
    /// Which part of the file system it shows.
    #[prost(bytes = "vec", required, tag = "6")]
    pub root: Vec<u8>,
    /// Where it is.
    #[prost(bytes = "vec", required, tag = "7")]
    pub mountpoint: Vec<u8>,
    /// The device, or whatever the file system has in its place.
    #[prost(bytes = "vec", required, tag = "8")]
    pub source: Vec<u8>,
    /// The file system's options.
    #[prost(bytes = "vec", required, tag = "9")]
    pub options: Vec<u8>,
    /// Whether it comes from outside; of CRIU before `ext_key`.
    #[prost(bool, optional, tag = "13")]
    pub ext_mount: Option<bool>,
    /// The file system, where CRIU has no number for it.
    #[prost(bytes = "vec", optional, tag = "14")]
    pub fsname: Option<Vec<u8>>,
    /// What it is called outside.
    #[prost(bytes = "vec", optional, tag = "18")]
    pub ext_key: Option<Vec<u8>>,
}

/// `fstype` of images/mnt.proto. 0 and 16 say that `fsname` has it.
const FILE_SYSTEMS: [&str; 24] = [
    "",
    "proc",
    "sysfs",
    "devtmpfs",
    "binfmt_misc",
    "tmpfs",
    "devpts",
    "simfs",
    "pstore",
    "securityfs",
    "fusectl",
    "debugfs",
    "cgroup",
    "aufs",
    "mqueue",
    "fuse",
    "",
    "overlay",
    "autofs",
    "tracefs",
    "rpc_pipefs",
    "nfs",
    "nfs4",
    "cgroup2",
];

impl MntEntry {
    /// The name of the file system's kind; empty where CRIU does not say.
    pub fn file_system(&self) -> &[u8] {
        match usize::try_from(self.fstype).ok().and_then(|number| FILE_SYSTEMS.get(number)) {
            Some(name) if !name.is_empty() => name.as_bytes(),
            _ => self.fsname(),
        }
    }

    /// Whether it comes from outside of what was dumped.
    pub fn is_external(&self) -> bool {
        self.ext_mount() || self.ext_key.is_some()
    }
}

impl ImageMessage for MntEntry {
    const MAGIC: u32 = 0x5556_3928;
    const MAX_BYTES: u64 = 64 << 20;
    /// `fs.mount-max` is 100 000 by default.
    const MAX_MESSAGES: usize = 1 << 20;
}

/// `utsns_entry` of `utsns-ID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UtsnsEntry {
    /// The host's name.
    #[prost(bytes = "vec", required, tag = "1")]
    pub nodename: Vec<u8>,
}

impl ImageMessage for UtsnsEntry {
    const MAGIC: u32 = 0x5447_3203;
    const MAX_BYTES: u64 = 4096;
    const MAX_MESSAGES: usize = 1;
}
