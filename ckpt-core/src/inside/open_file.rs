//! What processes have open.

use schemars::JsonSchema;
use serde::Serialize;

use super::socket::{InetSocket, SocketType, UnixSocket};
use crate::host::byte_path::BytePath;
use crate::host::byte_string::ByteString;

/// A descriptor of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Descriptor {
    /// Its number.
    pub fd: u32,
    /// Whether it is closed when the process starts another program.
    pub close_on_exec: bool,
    /// What it stands for.
    #[serde(flatten)]
    pub file: OpenFile,
}

/// Whether an open file is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Only read.
    Read,
    /// Only written.
    Write,
    /// Both.
    ReadWrite,
    /// Neither: open(2), `O_PATH`.
    Path,
}

/// `O_PATH` of asm-generic/fcntl.h.
const O_PATH: u32 = 0o10_000_000;

impl Access {
    /// What the flags of open(2) say.
    pub(super) fn of_flags(flags: u32) -> Self {
        match flags & 3 {
            _ if flags & O_PATH != 0 => Access::Path,
            0 => Access::Read,
            1 => Access::Write,
            _ => Access::ReadWrite,
        }
    }

    /// In one letter or two.
    pub fn letters(self) -> &'static str {
        match self {
            Access::Read => "r",
            Access::Write => "w",
            Access::ReadWrite => "rw",
            Access::Path => "path",
        }
    }
}

/// An open file. Where a number or a path is none, it could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OpenFile {
    /// A file, a directory or a device.
    File {
        /// Its path in the container; of one that was deleted, the one that it had.
        path: BytePath,
        /// How it is used.
        access: Access,
        /// Where the next byte is read or written.
        position: u64,
        /// Its length in bytes.
        size: Option<u64>,
        /// Whether it has no name any more.
        deleted: bool,
    },
    /// An end of a pipe.
    Pipe {
        /// Both ends have this number.
        id: u64,
        /// Which end it is.
        access: Access,
    },
    /// A pipe with a name.
    Fifo {
        /// Its path.
        path: Option<BytePath>,
        /// All ends have this number.
        id: u64,
        /// How it is used.
        access: Access,
    },
    /// A socket of IP.
    Inet(InetSocket),
    /// A socket on this host.
    Unix(UnixSocket),
    /// A socket to the kernel.
    Netlink {
        /// `NETLINK_ROUTE` is 0, linux/netlink.h.
        protocol: Option<u32>,
        /// What may wait to be sent, bytes; none where that cannot be known.
        send_buffer_bytes: Option<u32>,
        /// What may wait to be read, bytes; none where that cannot be known.
        receive_buffer_bytes: Option<u32>,
    },
    /// A socket for whole packets.
    Packet {
        /// Its type.
        #[serde(rename = "type")]
        kind: Option<SocketType>,
        /// The kind of packets, linux/if_ether.h.
        protocol: Option<u32>,
        /// What may wait to be sent, bytes; none where that cannot be known.
        send_buffer_bytes: Option<u32>,
        /// What may wait to be read, bytes; none where that cannot be known.
        receive_buffer_bytes: Option<u32>,
    },
    /// A terminal.
    Terminal {
        /// Its path.
        path: Option<BytePath>,
        /// Its width in characters.
        columns: Option<u32>,
        /// Its height in lines.
        rows: Option<u32>,
    },
    /// A file in memory: memfd_create(2).
    Memfd {
        /// Its name.
        name: ByteString,
        /// Its length in bytes.
        size: Option<u64>,
    },
    /// A counter: eventfd(2).
    Eventfd {
        /// What it counts.
        counter: Option<u64>,
    },
    /// Waits for other descriptors: epoll(7).
    Epoll {
        /// Those.
        watched: Vec<u32>,
    },
    /// Hears of changes of files: inotify(7).
    Inotify {
        /// How many are watched.
        watches: u64,
    },
    /// The same of whole mounts: fanotify(7).
    Fanotify,
    /// Signals: signalfd(2).
    Signalfd {
        /// Which, each a bit, the lowest is signal 1.
        signals: Option<u64>,
    },
    /// A timer: timerfd_create(2).
    Timerfd,
    /// A namespace.
    Namespace {
        /// Which, as [`Namespace::id`](super::Namespace::id).
        id: Option<u64>,
    },
    /// A process: pidfd_open(2).
    Pidfd {
        /// Which.
        pid: Option<u32>,
    },
    /// A network device of a program.
    Tun {
        /// The device.
        device: Option<ByteString>,
    },
    /// Something else.
    Other {
        /// As the kernel, or CRIU, calls it.
        name: ByteString,
    },
}

impl OpenFile {
    /// Whether it is a socket.
    pub fn is_socket(&self) -> bool {
        matches!(self, OpenFile::Inet(_) | OpenFile::Unix(_) | OpenFile::Netlink { .. } | OpenFile::Packet { .. })
    }

    /// Bytes of any length in it.
    pub(super) fn shown_bytes(&self) -> usize {
        let path = |path: &BytePath| path.0.as_os_str().len();
        match self {
            OpenFile::File { path: name, .. } => path(name),
            OpenFile::Fifo { path: name, .. } | OpenFile::Terminal { path: name, .. } => name.as_ref().map_or(0, path),
            OpenFile::Unix(socket) => socket.address.as_ref().map_or(0, |address| address.0.len()),
            OpenFile::Memfd { name, .. } | OpenFile::Other { name } => name.0.len(),
            OpenFile::Epoll { watched } => size_of_val(&watched[..]),
            _ => 0,
        }
    }
}
