//! What is said of open files, limits and memory, in one line each. Names are of any bytes: they keep to their line.

use std::path::Path;

use ckpt_core::ByteString;
use ckpt_core::inside::{InetSocket, MappedKind, OpenFile, Process, SocketState, SocketType, UnixSocket};
use indicatif::HumanBytes;

use crate::names::printable;

/// Of which kind it is, and the rest.
pub(super) fn open_file(file: &OpenFile) -> (&'static str, String) {
    match file {
        OpenFile::File { path, access, position, size, deleted } => {
            let size = size.map_or_else(String::new, |size| format!(", at {position} of {size} bytes"));
            let deleted = if *deleted { ", deleted" } else { "" };
            ("file", format!("{} ({}{size}{deleted})", path_words(&path.0), access.letters()))
        }
        OpenFile::Pipe { id, access } => ("pipe", format!("{id} ({})", access.letters())),
        OpenFile::Fifo { path, id, access } => {
            let path = path.as_ref().map_or_else(|| id.to_string(), |path| path_words(&path.0));
            ("fifo", format!("{path} ({})", access.letters()))
        }
        OpenFile::Inet(_) | OpenFile::Unix(_) | OpenFile::Netlink { .. } | OpenFile::Packet { .. } => {
            let [protocol, state, ends] = socket(file);
            (
                "socket",
                [protocol, ends, state].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
            )
        }
        OpenFile::Terminal { path, columns, rows } => {
            let path = path.as_ref().map_or_else(|| "?".to_owned(), |path| path_words(&path.0));
            let size = columns.zip(*rows).map_or_else(String::new, |(columns, rows)| format!(" ({columns}×{rows})"));
            ("terminal", format!("{path}{size}"))
        }
        OpenFile::Memfd { name, size } => {
            ("memfd", format!("{}{}", words(name), size.map_or_else(String::new, |size| format!(" ({size} bytes)"))))
        }
        OpenFile::Eventfd { counter } => {
            ("eventfd", counter.map_or_else(String::new, |count| format!("counts {count}")))
        }
        OpenFile::Epoll { watched } => ("epoll", format!("waits for {}", numbers(watched))),
        OpenFile::Inotify { watches } => ("inotify", format!("watches {watches}")),
        OpenFile::Fanotify => ("fanotify", String::new()),
        OpenFile::Signalfd { signals } => {
            ("signalfd", signals.map_or_else(String::new, |bits| format!("signals {}", numbers(&signal_numbers(bits)))))
        }
        OpenFile::Timerfd => ("timerfd", String::new()),
        OpenFile::Namespace { id } => ("namespace", id.map_or_else(String::new, |id| id.to_string())),
        OpenFile::Pidfd { pid } => ("pidfd", pid.map_or_else(String::new, |pid| format!("process {pid}"))),
        OpenFile::Tun { device } => ("tun", device.as_ref().map_or_else(String::new, words)),
        OpenFile::Other { name } => ("other", words(name)),
    }
}

/// Protocol, state, and both ends.
pub(super) fn socket(file: &OpenFile) -> [String; 3] {
    match file {
        OpenFile::Inet(socket) => inet(socket),
        OpenFile::Unix(socket) => unix(socket),
        OpenFile::Netlink { protocol, .. } => {
            let protocol = protocol.map_or_else(String::new, |number| format!(" {number}"));
            [format!("netlink{protocol}"), String::new(), String::new()]
        }
        OpenFile::Packet { kind, .. } => {
            [format!("packet {}", kind.map_or("", SocketType::word)), String::new(), String::new()]
        }
        _ => Default::default(),
    }
}

fn inet(socket: &InetSocket) -> [String; 3] {
    let local = socket.local.map_or_else(|| "?".to_owned(), |end| end.to_string());
    let ends = socket.remote.map_or_else(|| local.clone(), |remote| format!("{local} → {remote}"));
    // Only a stream has a connection.
    let state = if socket.socket_type == SocketType::Stream { socket.state.words() } else { "" };
    [socket.protocol.clone(), state.to_owned(), ends]
}

fn unix(socket: &UnixSocket) -> [String; 3] {
    let peer = socket.peer_inode.map_or_else(String::new, |peer| format!(" → {peer}"));
    let address = socket.address.as_ref().map_or_else(String::new, |address| format!(" {}", abstract_or_path(address)));
    let state = if socket.state == SocketState::Close { "" } else { socket.state.words() };
    [format!("unix {}", socket.socket_type.word()), state.to_owned(), format!("{}{peer}{address}", socket.inode)]
}

/// As ss(8) and others write it: `@` for the zero byte of a name that is no path.
fn abstract_or_path(address: &ByteString) -> String {
    match &address.0[..] {
        [0, name @ ..] => format!("@{}", printable(name)),
        path => printable(path),
    }
}

/// The command line of a process; of one that has none, its name in brackets, as ps(1) has it.
pub(super) fn command(process: &Process) -> String {
    match process.command_line.as_deref() {
        Some(arguments) if !arguments.is_empty() => arguments.iter().map(argument).collect::<Vec<_>>().join(" "),
        _ => format!("[{}]", words(&process.name)),
    }
}

/// The same, in the length that a line has room for.
pub(super) fn short_command(process: &Process) -> String {
    const SHOWN: usize = 100;
    let whole = command(process);
    match whole.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// In quotes where a reader could not see where it ends.
fn argument(word: &ByteString) -> String {
    let is_plain = !word.0.is_empty() && !word.0.iter().any(u8::is_ascii_whitespace);
    if is_plain { words(word) } else { format!("'{}'", words(word)) }
}

/// Its memory that counts; nothing of one that has ended.
pub(super) fn memory(process: &Process) -> String {
    process.memory.as_ref().map_or_else(String::new, |memory| HumanBytes(memory.resident_bytes).to_string())
}

/// What memory is for.
pub(super) fn mapped(kind: &MappedKind) -> String {
    match kind {
        MappedKind::Heap => "heap".to_owned(),
        MappedKind::Stack => "stack".to_owned(),
        MappedKind::Anonymous => "anonymous".to_owned(),
        MappedKind::Shared => "shared".to_owned(),
        MappedKind::File { path } => path_words(&path.0),
    }
}

pub(super) fn limit(value: Option<u64>) -> String {
    value.map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
}

pub(super) fn path_words(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

pub(super) fn words(bytes: &ByteString) -> String {
    printable(&bytes.0)
}

/// `1 2 3`; of many, the first ones.
pub(super) fn numbers(numbers: &[u32]) -> String {
    const SHOWN: usize = 20;
    let shown = numbers.iter().take(SHOWN).map(u32::to_string).collect::<Vec<_>>().join(" ");
    match numbers.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn signal_numbers(bits: u64) -> Vec<u32> {
    (0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| bit + 1).collect()
}

#[cfg(test)]
mod tests {
    use ckpt_core::inside::{Access, Endpoint, InetFamily};

    use super::*;

    fn file(path: &[u8]) -> OpenFile {
        use std::os::unix::ffi::OsStrExt;
        let path = ckpt_core::BytePath::from(std::ffi::OsStr::from_bytes(path));
        OpenFile::File { path, access: Access::Write, position: 3, size: Some(7), deleted: true }
    }

    #[test]
    fn no_name_reaches_a_terminal_as_it_is() {
        let (kind, said) = open_file(&file(b"/a\x1b[2J\nb"));
        assert_eq!((kind, &said[..]), ("file", r"/a\u{1b}[2J\nb (w, at 3 of 7 bytes, deleted)"));
    }

    #[test]
    fn sockets_say_where_they_lead() {
        let end = |port| Endpoint { address: std::net::Ipv4Addr::LOCALHOST.into(), port };
        let mut socket = InetSocket {
            family: InetFamily::Ipv4,
            protocol: "tcp".to_owned(),
            socket_type: SocketType::Stream,
            state: SocketState::Listen,
            local: Some(end(80)),
            remote: None,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        };
        let said = |socket: &InetSocket| open_file(&OpenFile::Inet(socket.clone())).1;
        assert_eq!(said(&socket), "tcp 127.0.0.1:80 listens");
        (socket.remote, socket.state) = (Some(end(4000)), SocketState::Established);
        assert_eq!(said(&socket), "tcp 127.0.0.1:80 → 127.0.0.1:4000 established");
        let unix = UnixSocket {
            socket_type: SocketType::Stream,
            state: SocketState::Established,
            inode: 5,
            peer_inode: Some(6),
            address: Some("\0x\n".into()),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        };
        assert_eq!(open_file(&OpenFile::Unix(unix)).1, r"unix stream 5 → 6 @x\n established");
    }

    #[test]
    fn many_numbers_are_counted() {
        assert_eq!(
            numbers(&(0..22).collect::<Vec<_>>()),
            "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 and 2 more"
        );
        assert_eq!(open_file(&OpenFile::Signalfd { signals: Some(0b101) }).1, "signals 1 3");
    }
}
