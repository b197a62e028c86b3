//! The open files of all processes, by CRIU's numbers of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;

use criu_images::{
    FILE_REGULAR, FileEntry, Images, InetSkEntry, MemfdInodeEntry, RegFileEntry, RemapFilePathEntry, TtyInfoEntry,
    UnixSkEntry, WinsizeEntry,
};

use super::budget::Budget;
use super::optional::present;
use crate::host::byte_path::BytePath;
use crate::inside::error::InsideError;
use crate::inside::open_file::{Access, OpenFile};
use crate::inside::socket::{self, Endpoint, InetFamily, InetSocket, SocketState, SocketType, UnixSocket};

/// Open files by their numbers.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_id: BTreeMap<u32, OpenFile>,
}

/// What an open file's entry refers to.
#[derive(Default)]
struct Tables {
    paths: BTreeMap<u32, BytePath>,
    without_name: BTreeSet<u32>,
    memfds: BTreeMap<u64, (Vec<u8>, u64)>,
    terminals: BTreeMap<u32, WinsizeEntry>,
}

/// `AF_INET6`, linux/socket.h.
const AF_INET6: u32 = 10;

/// `fd_types` of images/fdinfo.proto without values of their own here, by number.
const OTHER_KINDS: [(u32, &str); 3] = [(16, "external"), (19, "bpf map"), (0, "unknown")];

impl Files {
    pub(super) fn read(images: &Images, budget: &mut Budget) -> Result<Self, InsideError> {
        let entries = images.messages::<FileEntry>("files.img")?;
        let tables = Tables::read(images, budget)?;
        let mut by_id = BTreeMap::new();
        for entry in entries.iter() {
            let entry = entry?;
            let file = tables.open_file(&entry);
            budget.spend(size_of::<OpenFile>())?;
            by_id.insert(entry.id, file);
        }
        Ok(Files { by_id })
    }

    /// The open file of this number; something unknown if it is not in the images.
    pub(super) fn get(&self, id: u32) -> OpenFile {
        self.by_id.get(&id).cloned().unwrap_or_else(|| OpenFile::Other { name: "unknown".into() })
    }

    /// The path of the file of this number.
    pub(super) fn path(&self, id: u32) -> Option<BytePath> {
        match self.by_id.get(&id) {
            Some(OpenFile::File { path, .. }) => Some(path.clone()),
            _ => None,
        }
    }
}

impl Tables {
    fn read(images: &Images, budget: &mut Budget) -> Result<Self, InsideError> {
        let mut tables = Tables::default();
        for entry in images.messages::<FileEntry>("files.img")?.iter() {
            if let FileEntry { id, reg: Some(RegFileEntry { name, .. }), .. } = entry? {
                budget.spend(name.len())?;
                tables.paths.insert(id, path(&name));
            }
        }
        match images.messages::<RemapFilePathEntry>("remap-fpath.img") {
            Ok(remaps) => {
                for remap in remaps.iter() {
                    budget.spend(0)?;
                    tables.without_name.insert(remap?.orig_id);
                }
            }
            Err(error) => present(error)?,
        }
        match images.messages::<MemfdInodeEntry>("memfd.img") {
            Ok(memfds) => {
                for memfd in memfds.iter() {
                    let memfd = memfd?;
                    budget.spend(memfd.name.len())?;
                    tables.memfds.insert(memfd.inode_id, (memfd.name, memfd.size));
                }
            }
            Err(error) => present(error)?,
        }
        match images.messages::<TtyInfoEntry>("tty-info.img") {
            Ok(terminals) => {
                for terminal in terminals.iter() {
                    let terminal = terminal?;
                    budget.spend(0)?;
                    terminal.winsize.map(|size| tables.terminals.insert(terminal.id, size));
                }
            }
            Err(error) => present(error)?,
        }
        Ok(tables)
    }

    fn open_file(&self, entry: &FileEntry) -> OpenFile {
        self.named(entry)
            .or_else(|| of_sockets(entry))
            .or_else(|| of_events(entry))
            .unwrap_or_else(|| other(entry.kind))
    }

    /// What has a path, or could have.
    fn named(&self, entry: &FileEntry) -> Option<OpenFile> {
        let regular = |reg: &RegFileEntry| OpenFile::File {
            path: path(&reg.name),
            access: Access::of_flags(reg.flags),
            position: reg.pos,
            size: reg.size,
            deleted: self.without_name.contains(&entry.id),
        };
        match entry {
            FileEntry { kind: FILE_REGULAR, reg: Some(reg), .. } => Some(regular(reg)),
            FileEntry { pipe: Some(pipe), .. } => {
                Some(OpenFile::Pipe { id: pipe.pipe_id.into(), access: Access::of_flags(pipe.flags) })
            }
            FileEntry { fifo: Some(fifo), reg, .. } => Some(OpenFile::Fifo {
                path: fifo.regf_id.and_then(|id| self.paths.get(&id).cloned()),
                id: fifo.pipe_id.into(),
                access: reg.as_ref().map_or(Access::ReadWrite, |reg| Access::of_flags(reg.flags)),
            }),
            FileEntry { tty: Some(tty), .. } => {
                let size = self.terminals.get(&tty.tty_info_id);
                Some(OpenFile::Terminal {
                    path: tty.regf_id.and_then(|id| self.paths.get(&id).cloned()),
                    columns: size.map(|size| size.columns),
                    rows: size.map(|size| size.rows),
                })
            }
            FileEntry { memfd: Some(memfd), .. } => {
                let inode = self.memfds.get(&memfd.inode_id.into());
                Some(OpenFile::Memfd {
                    name: inode.map_or_else(Default::default, |(name, _)| name[..].into()),
                    size: inode.map(|(_, size)| *size),
                })
            }
            _ => None,
        }
    }
}

fn of_sockets(entry: &FileEntry) -> Option<OpenFile> {
    match entry {
        FileEntry { inet: Some(socket), .. } => Some(OpenFile::Inet(inet(socket))),
        FileEntry { unix: Some(socket), .. } => Some(OpenFile::Unix(unix(socket))),
        FileEntry { netlink: Some(socket), .. } => Some(OpenFile::Netlink {
            protocol: Some(socket.protocol),
            send_buffer_bytes: socket.options.map(|options| options.send_buffer),
            receive_buffer_bytes: socket.options.map(|options| options.receive_buffer),
        }),
        FileEntry { packet: Some(socket), .. } => Some(OpenFile::Packet {
            kind: Some(SocketType::of_number(socket.socket_type)),
            protocol: Some(socket.protocol),
            send_buffer_bytes: socket.options.map(|options| options.send_buffer),
            receive_buffer_bytes: socket.options.map(|options| options.receive_buffer),
        }),
        _ => None,
    }
}

fn of_events(entry: &FileEntry) -> Option<OpenFile> {
    match entry {
        FileEntry { eventfd: Some(eventfd), .. } => Some(OpenFile::Eventfd { counter: Some(eventfd.counter) }),
        FileEntry { epoll: Some(epoll), .. } => {
            Some(OpenFile::Epoll { watched: epoll.targets.iter().map(|target| target.tfd).collect() })
        }
        FileEntry { inotify: Some(inotify), .. } => Some(OpenFile::Inotify { watches: inotify.watches.len() as u64 }),
        FileEntry { signalfd: Some(signalfd), .. } => Some(OpenFile::Signalfd { signals: Some(signalfd.sigmask) }),
        FileEntry { namespace: Some(namespace), .. } => Some(OpenFile::Namespace { id: Some(namespace.ns_id.into()) }),
        FileEntry { pidfd: Some(pidfd), .. } => Some(OpenFile::Pidfd { pid: u32::try_from(pidfd.nspid).ok() }),
        FileEntry { tun: Some(tun), .. } => {
            Some(OpenFile::Tun { device: tun.netdev.as_deref().map(|device| device.into()) })
        }
        FileEntry { kind: 12, .. } => Some(OpenFile::Fanotify),
        FileEntry { kind: 17, .. } => Some(OpenFile::Timerfd),
        _ => None,
    }
}

fn other(kind: u32) -> OpenFile {
    let known = OTHER_KINDS.iter().find(|(number, _)| *number == kind);
    let name = known.map_or_else(|| format!("type {kind}"), |(_, name)| (*name).to_owned());
    OpenFile::Other { name: name.as_str().into() }
}

fn path(name: &[u8]) -> BytePath {
    OsStr::from_bytes(name).into()
}

fn inet(socket: &InetSkEntry) -> InetSocket {
    let local = endpoint(&socket.src_addr, socket.src_port);
    let remote =
        endpoint(&socket.dst_addr, socket.dst_port).filter(|end| end.port != 0 || !end.address.is_unspecified());
    InetSocket {
        family: if socket.family == AF_INET6 { InetFamily::Ipv6 } else { InetFamily::Ipv4 },
        protocol: socket::protocol(socket.protocol),
        socket_type: SocketType::of_number(socket.socket_type),
        state: SocketState::of_number(socket.state),
        local,
        remote,
        send_buffer_bytes: socket.options.map(|options| options.send_buffer),
        receive_buffer_bytes: socket.options.map(|options| options.receive_buffer),
    }
}

/// Each number of an address is in memory as the network has it, and this machine is little-endian, as CRIU's images are.
fn endpoint(address: &[u32], port: u32) -> Option<Endpoint> {
    let address = match *address {
        [one] => IpAddr::from(Ipv4Addr::from(one.to_le_bytes())),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (place, number) in bytes.chunks_exact_mut(4).zip([a, b, c, d]) {
                place.copy_from_slice(&number.to_le_bytes());
            }
            IpAddr::from(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(Endpoint { address, port: u16::try_from(port).ok()? })
}

fn unix(socket: &UnixSkEntry) -> UnixSocket {
    UnixSocket {
        socket_type: SocketType::of_number(socket.socket_type),
        state: SocketState::of_number(socket.state),
        inode: socket.ino.into(),
        peer_inode: Some(u64::from(socket.peer)).filter(|peer| *peer != 0),
        // A path ends with the zero byte of C.
        address: Some(&socket.name[..])
            .filter(|name| !name.is_empty())
            .map(|name| if name[0] == 0 { name } else { name.strip_suffix(b"\0").unwrap_or(name) }.into()),
        send_buffer_bytes: socket.options.map(|options| options.send_buffer),
        receive_buffer_bytes: socket.options.map(|options| options.receive_buffer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_the_order_of_the_network() {
        assert_eq!(endpoint(&[0x0100_007f], 80).unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(endpoint(&[0, 0, 0, 0x0100_0000], 80).unwrap().to_string(), "[::1]:80");
        assert_eq!(endpoint(&[0xb80d_0120, 0, 0, 0x0200_0000], 65_535).unwrap().to_string(), "[2001:db8::2]:65535");
        assert_eq!((endpoint(&[1, 2], 80), endpoint(&[1], 65_536)), (None, None));
    }

    #[test]
    fn a_name_that_is_no_path_keeps_its_zero_bytes() {
        let named = |name: &[u8]| unix(&UnixSkEntry { name: name.into(), ..Default::default() }).address;
        assert_eq!(named(b""), None);
        assert_eq!(named(b"/run/x\0"), Some("/run/x".into()));
        assert_eq!(named(b"\0x\0"), Some("\0x\0".into()));
    }
}
