//! CRIU's messages, as far as somebody reads them (CRIU, `images/*.proto`; tags and types are those of 4.1 and 4.2).
//!
//! `required` fields that are missing are zero or empty: prost does not check them. Names are bytes: Linux lets them be
//! anything, and CRIU writes them as they are. Addresses and lengths are bytes.

mod core;
mod credentials;
mod descriptors;
mod event_files;
mod files;
mod mm;
mod mounts;
mod pagemap;
mod pipes;
mod pstree;
mod sockets;
mod stats;
mod tty;
mod x86;

pub use core::{
    CoreEntry, MACHINE_AARCH64, MACHINE_X86_64, RlimitEntry, SaEntry, SiginfoEntry, SignalQueueEntry, TASK_ALIVE,
    TASK_DEAD, TASK_STOPPED, TASK_ZOMBIE, TaskCoreEntry, TaskKobjIdsEntry, TaskRlimitsEntry, ThreadCoreEntry,
};
pub use credentials::CredsEntry;
pub use descriptors::{FdinfoEntry, FsEntry, RemapFilePathEntry};
pub use event_files::{
    EventfdFileEntry, EventpollFileEntry, EventpollTfdEntry, InotifyFileEntry, InotifyWdEntry, NsFileEntry, PidfdEntry,
    SignalfdEntry, TunfileEntry,
};
pub use files::{FILE_MEMFD, FILE_REGULAR, FileEntry, MemfdFileEntry, MemfdInodeEntry, RegFileEntry};
pub use mm::{
    MmEntry, VMA_ANON_SHARED, VMA_FILE_PRIVATE, VMA_FILE_SHARED, VMA_HEAP, VMA_MEMFD, VMA_STACK, VMA_SYSVIPC, VMA_VDSO,
    VMA_VSYSCALL, VMA_VVAR, VmaEntry,
};
pub use mounts::{MntEntry, UtsnsEntry};
pub use pagemap::{PagemapEntry, PagemapHead};
pub use pipes::{FifoEntry, PipeEntry};
pub use pstree::PstreeEntry;
pub use sockets::{InetSkEntry, NetlinkSkEntry, PacketSockEntry, SkOptsEntry, UnixSkEntry};
pub use stats::{DumpStatsEntry, StatsEntry};
pub use tty::{TtyFileEntry, TtyInfoEntry, WinsizeEntry};
pub use x86::{ThreadInfoX86, UserX86FpregsEntry, UserX86RegsEntry};

/// A message that is the only kind in its images.
pub trait ImageMessage: prost::Message + Default {
    /// The second number of such an image (CRIU, `include/magic.h`).
    const MAGIC: u32;
    /// Such an image has no more bytes.
    const MAX_BYTES: u64;
    /// Such an image has no more messages.
    const MAX_MESSAGES: usize;
}
