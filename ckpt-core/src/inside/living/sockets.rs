//! The tables of sockets below `/proc/PID/net`: proc_pid_net(5). They are of the process's network namespace.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::host::processes::read;
use crate::inside::open_file::OpenFile;
use crate::inside::socket::{Endpoint, InetFamily, InetSocket, SocketState, SocketType, UnixSocket};

/// Sockets by their inode numbers.
#[derive(Debug, Default)]
pub(super) struct Sockets(HashMap<u64, OpenFile>);

/// Tables with their version of IP, protocol and type.
const TABLES: [(&str, InetFamily, &str, SocketType); 10] = [
    ("tcp", InetFamily::Ipv4, "tcp", SocketType::Stream),
    ("tcp6", InetFamily::Ipv6, "tcp", SocketType::Stream),
    ("udp", InetFamily::Ipv4, "udp", SocketType::Datagram),
    ("udp6", InetFamily::Ipv6, "udp", SocketType::Datagram),
    ("udplite", InetFamily::Ipv4, "udplite", SocketType::Datagram),
    ("udplite6", InetFamily::Ipv6, "udplite", SocketType::Datagram),
    ("icmp", InetFamily::Ipv4, "icmp", SocketType::Datagram),
    ("icmp6", InetFamily::Ipv6, "icmpv6", SocketType::Datagram),
    ("raw", InetFamily::Ipv4, "raw", SocketType::Raw),
    ("raw6", InetFamily::Ipv6, "raw", SocketType::Raw),
];

impl Sockets {
    /// All in the network namespaces of these processes.
    pub(super) fn seen_by(pids: impl Iterator<Item = i32>) -> Self {
        let mut sockets = Sockets::default();
        for pid in pids {
            let lines = |table: &str| String::from_utf8_lossy(&read(pid, &format!("net/{table}"))).into_owned();
            for (table, family, protocol, socket_type) in TABLES {
                sockets
                    .0
                    .extend(lines(table).lines().skip(1).filter_map(|line| inet(line, family, protocol, socket_type)));
            }
            sockets.0.extend(lines("unix").lines().skip(1).filter_map(unix));
            sockets.0.extend(lines("netlink").lines().skip(1).filter_map(netlink));
            sockets.0.extend(lines("packet").lines().skip(1).filter_map(packet));
        }
        sockets
    }

    /// The socket of this inode number.
    pub(super) fn get(&self, inode: u64) -> Option<&OpenFile> {
        self.0.get(&inode)
    }
}

/// `sl local remote state queues timer retransmits uid timeout inode`
fn inet(line: &str, family: InetFamily, protocol: &str, socket_type: SocketType) -> Option<(u64, OpenFile)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let remote = endpoint(words.get(2)?)?;
    let socket = InetSocket {
        family,
        protocol: protocol.to_owned(),
        socket_type,
        state: SocketState::of_number(u32::from_str_radix(words.get(3)?, 16).ok()?),
        local: endpoint(words.get(1)?),
        remote: Some(remote).filter(|end| end.port != 0 || !end.address.is_unspecified()),
        send_buffer_bytes: None,
        receive_buffer_bytes: None,
    };
    Some((words.get(9)?.parse().ok()?, OpenFile::Inet(socket)))
}

/// `0100007F:0050`; each number of an address is in memory as the network has it.
fn endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    let number = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => IpAddr::from(Ipv4Addr::from(number(0)?)),
        32 => {
            let bytes = [number(0)?, number(8)?, number(16)?, number(24)?].concat();
            IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))
        }
        _ => return None,
    };
    Some(Endpoint { address, port: u16::from_str_radix(port, 16).ok()? })
}

/// `__SO_ACCEPTCON` of linux/net.h: it listens.
const LISTENS: u32 = 1 << 16;

/// `Num RefCount Protocol Flags Type St Inode Path`
fn unix(line: &str) -> Option<(u64, OpenFile)> {
    let mut words = line.splitn(8, ' ').filter(|word| !word.is_empty());
    let hexadecimal = |word: Option<&str>| u32::from_str_radix(word?, 16).ok();
    let flags = hexadecimal(words.nth(3))?;
    let socket_type = SocketType::of_number(hexadecimal(words.next())?);
    let state = match hexadecimal(words.next())? {
        _ if flags & LISTENS != 0 => SocketState::Listen,
        // `SS_CONNECTED`
        3 => SocketState::Established,
        _ => SocketState::Close,
    };
    let rest: Vec<&str> = words.collect();
    let rest = rest.join(" ");
    let (inode, path) = rest.trim_start().split_once(' ').unwrap_or((rest.trim(), ""));
    let inode = inode.parse().ok()?;
    let address = match path.as_bytes() {
        [] => None,
        // The kernel shows zero bytes so.
        [b'@', name @ ..] => Some([b"\0", name].concat().into()),
        path => Some(path.into()),
    };
    let socket = UnixSocket {
        socket_type,
        state,
        inode,
        peer_inode: None,
        address,
        send_buffer_bytes: None,
        receive_buffer_bytes: None,
    };
    Some((inode, OpenFile::Unix(socket)))
}

/// `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`
fn netlink(line: &str) -> Option<(u64, OpenFile)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some((
        words.get(9)?.parse().ok()?,
        OpenFile::Netlink { protocol: words.get(1)?.parse().ok(), send_buffer_bytes: None, receive_buffer_bytes: None },
    ))
}

/// `sk RefCnt Type Proto Iface R Rmem User Inode`
fn packet(line: &str) -> Option<(u64, OpenFile)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let kind = words.get(2)?.parse().ok().map(SocketType::of_number);
    let protocol = u32::from_str_radix(words.get(3)?, 16).ok();
    Some((
        words.get(8)?.parse().ok()?,
        OpenFile::Packet { kind, protocol, send_buffer_bytes: None, receive_buffer_bytes: None },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables_are_sockets() {
        let line =
            "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 x";
        let (inode, OpenFile::Inet(socket)) = inet(line, InetFamily::Ipv4, "tcp", SocketType::Stream).unwrap() else {
            panic!("a socket of IP")
        };
        assert_eq!((inode, socket.state, socket.remote), (4711, SocketState::Listen, None));
        assert_eq!(socket.local.unwrap().to_string(), "127.0.0.1:80");
        let line = "0000000000000000: 00000002 00000000 00010000 0001 01 17 /run/my socket";
        let (inode, OpenFile::Unix(socket)) = unix(line).unwrap() else { panic!("a socket of this host") };
        assert_eq!((inode, socket.state, socket.socket_type), (17, SocketState::Listen, SocketType::Stream));
        assert_eq!(socket.address, Some("/run/my socket".into()));
        let (_, OpenFile::Unix(socket)) = unix("0: 2 0 0 0002 03 18").unwrap() else { panic!("a socket of this host") };
        assert_eq!((socket.state, socket.address), (SocketState::Established, None));
        assert!(inet("", InetFamily::Ipv4, "tcp", SocketType::Stream).is_none() && unix("x").is_none());
    }
}
