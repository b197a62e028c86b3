//! Descriptors that something happens at: members of [`FileEntry`](super::FileEntry).

/// `eventfd_file_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct EventfdFileEntry {
    /// What it counts.
    #[prost(uint64, required, tag = "4")]
    pub counter: u64,
}

/// `eventpoll_file_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EventpollFileEntry {
    /// What it waits for.
    #[prost(message, repeated, tag = "4")]
    pub targets: Vec<EventpollTfdEntry>,
}

/// `eventpoll_tfd_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct EventpollTfdEntry {
    /// A descriptor.
    #[prost(uint32, required, tag = "2")]
    pub tfd: u32,
    /// `EPOLL…` of epoll_ctl(2).
    #[prost(uint32, required, tag = "3")]
    pub events: u32,
}

/// `inotify_file_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct InotifyFileEntry {
    /// What is watched.
    #[prost(message, repeated, tag = "5")]
    pub watches: Vec<InotifyWdEntry>,
}

/// `inotify_wd_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct InotifyWdEntry {
    /// The number of an inode.
    #[prost(uint64, required, tag = "2")]
    pub inode: u64,
    /// `IN_…` of inotify(7).
    #[prost(uint32, required, tag = "3")]
    pub mask: u32,
}

/// `signalfd_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct SignalfdEntry {
    /// A bit each; the lowest is signal 1.
    #[prost(uint64, required, tag = "4")]
    pub sigmask: u64,
}

/// `ns_file_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct NsFileEntry {
    /// CRIU's number of the namespace.
    #[prost(uint32, required, tag = "2")]
    pub ns_id: u32,
}

/// `pidfd_entry`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct PidfdEntry {
    /// The process.
    #[prost(int32, required, tag = "4")]
    pub nspid: i32,
}

/// `tunfile_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TunfileEntry {
    /// The network device.
    #[prost(bytes = "vec", optional, tag = "2")]
    pub netdev: Option<Vec<u8>>,
}
