//! The files that processes have open or mapped.

use super::ImageMessage;
use super::event_files::{
    EventfdFileEntry, EventpollFileEntry, InotifyFileEntry, NsFileEntry, PidfdEntry, SignalfdEntry, TunfileEntry,
};
use super::pipes::{FifoEntry, PipeEntry};
use super::sockets::{InetSkEntry, NetlinkSkEntry, PacketSockEntry, UnixSkEntry};
use super::tty::TtyFileEntry;

/// `fd_types` of regular files, directories and devices.
pub const FILE_REGULAR: u32 = 1;
/// `fd_types` of memfd_create(2).
pub const FILE_MEMFD: u32 = 18;

/// `file_entry` of `files.img`: one for each open file. It has the one member that its kind says.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FileEntry {
    /// `fd_types`.
    #[prost(uint32, required, tag = "1")]
    pub kind: u32,
    /// By which mappings and descriptors name it.
    #[prost(uint32, required, tag = "2")]
    pub id: u32,
    /// If it is [`FILE_REGULAR`].
    #[prost(message, optional, tag = "3")]
    pub reg: Option<RegFileEntry>,
    /// A socket of IP.
    #[prost(message, optional, boxed, tag = "4")]
    pub inet: Option<Box<InetSkEntry>>,
    /// A namespace.
    #[prost(message, optional, tag = "5")]
    pub namespace: Option<NsFileEntry>,
    /// A socket for whole packets.
    #[prost(message, optional, tag = "6")]
    pub packet: Option<PacketSockEntry>,
    /// A socket to the kernel.
    #[prost(message, optional, tag = "7")]
    pub netlink: Option<NetlinkSkEntry>,
    /// A counter.
    #[prost(message, optional, tag = "8")]
    pub eventfd: Option<EventfdFileEntry>,
    /// What waits for other descriptors.
    #[prost(message, optional, tag = "9")]
    pub epoll: Option<EventpollFileEntry>,
    /// What signals come to.
    #[prost(message, optional, tag = "10")]
    pub signalfd: Option<SignalfdEntry>,
    /// A network device of a program.
    #[prost(message, optional, tag = "11")]
    pub tun: Option<TunfileEntry>,
    /// What hears of changes of files.
    #[prost(message, optional, tag = "13")]
    pub inotify: Option<InotifyFileEntry>,
    /// A socket on this host.
    #[prost(message, optional, boxed, tag = "16")]
    pub unix: Option<Box<UnixSkEntry>>,
    /// A pipe with a name.
    #[prost(message, optional, tag = "17")]
    pub fifo: Option<FifoEntry>,
    /// An end of a pipe.
    #[prost(message, optional, tag = "18")]
    pub pipe: Option<PipeEntry>,
    /// A terminal.
    #[prost(message, optional, tag = "19")]
    pub tty: Option<TtyFileEntry>,
    /// If it is [`FILE_MEMFD`].
    #[prost(message, optional, tag = "20")]
    pub memfd: Option<MemfdFileEntry>,
    /// A process.
    #[prost(message, optional, tag = "22")]
    pub pidfd: Option<PidfdEntry>,
}

impl ImageMessage for FileEntry {
    const MAGIC: u32 = 0x5630_3138;
    const MAX_BYTES: u64 = 64 << 20;
    /// Open files of all processes.
    const MAX_MESSAGES: usize = 4 << 20;
}

/// `reg_file_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RegFileEntry {
    /// As the [`FileEntry`]'s.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Of open(2).
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Where it is read or written next.
    #[prost(uint64, required, tag = "3")]
    pub pos: u64,
    /// Its path in the container.
    #[prost(bytes = "vec", required, tag = "6")]
    pub name: Vec<u8>,
    /// Its size, unless it is a device or the like.
    #[prost(uint64, optional, tag = "8")]
    pub size: Option<u64>,
    /// Its type and permissions.
    #[prost(uint32, optional, tag = "10")]
    pub mode: Option<u32>,
}

/// `memfd_file_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MemfdFileEntry {
    /// As the [`FileEntry`]'s.
    #[prost(uint32, required, tag = "1")]
    pub id: u32,
    /// Of open(2).
    #[prost(uint32, required, tag = "2")]
    pub flags: u32,
    /// Where it is read or written next.
    #[prost(uint64, required, tag = "3")]
    pub pos: u64,
    /// Of a [`MemfdInodeEntry`].
    #[prost(uint32, required, tag = "5")]
    pub inode_id: u32,
}

/// `memfd_inode_entry` of `memfd.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MemfdInodeEntry {
    /// As given to memfd_create(2).
    #[prost(bytes = "vec", required, tag = "1")]
    pub name: Vec<u8>,
    /// Bytes.
    #[prost(uint64, required, tag = "4")]
    pub size: u64,
    /// Its pages are in `pagemap-shmem-ID.img`.
    #[prost(uint32, required, tag = "5")]
    pub shmid: u32,
    /// By which open files name it.
    #[prost(uint64, required, tag = "7")]
    pub inode_id: u64,
}

impl ImageMessage for MemfdInodeEntry {
    /// `MEMFD_INODE_MAGIC`.
    const MAGIC: u32 = 0x4845_3499;
    const MAX_BYTES: u64 = 64 << 20;
    const MAX_MESSAGES: usize = 1 << 20;
}
