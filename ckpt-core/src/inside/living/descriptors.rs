//! `/proc/PID/fd` and `/proc/PID/fdinfo`: proc_pid_fd(5).

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::sockets::Sockets;
use crate::host::byte_path::BytePath;
use crate::host::processes::read;
use crate::inside::open_file::{Access, Descriptor, OpenFile};

/// `O_CLOEXEC` of asm-generic/fcntl.h.
const O_CLOEXEC: u32 = 0o2_000_000;

/// Major numbers of terminals: Documentation/admin-guide/devices.txt.
const TERMINALS: [std::ops::RangeInclusive<u64>; 2] = [4..=5, 136..=143];

/// What the process has open, by number.
pub(super) fn of(pid: i32, sockets: &Sockets) -> Vec<Descriptor> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut descriptors: Vec<Descriptor> = numbers.filter_map(|fd| descriptor(pid, fd, sockets)).collect();
    descriptors.sort_by_key(|descriptor| descriptor.fd);
    descriptors
}

/// None if it was closed meanwhile.
fn descriptor(pid: i32, fd: u32, sockets: &Sockets) -> Option<Descriptor> {
    let link = format!("/proc/{pid}/fd/{fd}");
    let target = fs::read_link(&link).ok()?;
    let info = Info(String::from_utf8_lossy(&read(pid, &format!("fdinfo/{fd}"))).into_owned());
    let flags = info.field("flags").and_then(|octal| u32::from_str_radix(octal, 8).ok()).unwrap_or_default();
    let metadata = fs::metadata(&link).ok();
    let file = open_file(&target, metadata.as_ref(), flags, &info, sockets);
    Some(Descriptor { fd, close_on_exec: flags & O_CLOEXEC != 0, file })
}

/// The lines of `fdinfo`.
struct Info(String);

impl Info {
    fn field<'i>(&'i self, name: &'i str) -> Option<&'i str> {
        self.values(name).next()
    }

    fn values<'i>(&'i self, name: &'i str) -> impl Iterator<Item = &'i str> {
        self.0.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }
}

fn open_file(target: &Path, metadata: Option<&Metadata>, flags: u32, info: &Info, sockets: &Sockets) -> OpenFile {
    let bytes = target.as_os_str().as_bytes();
    let numbered = |kind: &str| {
        let text = str::from_utf8(bytes).ok()?;
        text.strip_prefix(kind)?.strip_prefix(":[")?.strip_suffix(']')?.parse::<u64>().ok()
    };
    let access = Access::of_flags(flags);
    if let Some(id) = numbered("pipe") {
        return OpenFile::Pipe { id, access };
    }
    if let Some(inode) = numbered("socket") {
        let unknown = || OpenFile::Other { name: "socket".into() };
        return sockets.get(inode).cloned().unwrap_or_else(unknown);
    }
    match bytes {
        [b'/', ..] => with_path(bytes, metadata, access, info),
        _ if bytes.starts_with(b"anon_inode:") => of_events(&bytes[b"anon_inode:".len()..], info),
        _ => match crate::inside::namespace::KINDS.iter().find_map(|kind| numbered(kind)) {
            Some(id) => OpenFile::Namespace { id: Some(id) },
            None => OpenFile::Other { name: bytes.into() },
        },
    }
}

fn with_path(bytes: &[u8], metadata: Option<&Metadata>, access: Access, info: &Info) -> OpenFile {
    let is_gone = metadata.is_some_and(|metadata| metadata.nlink() == 0);
    let name = bytes.strip_suffix(b" (deleted)").filter(|_| is_gone).unwrap_or(bytes);
    let size = metadata.filter(|metadata| metadata.is_file()).map(Metadata::len);
    let path: BytePath = OsStr::from_bytes(name).into();
    if let Some(name) = name.strip_prefix(b"/memfd:") {
        return OpenFile::Memfd { name: name.into(), size };
    }
    let is = |kind: fn(&fs::FileType) -> bool| metadata.is_some_and(|metadata| kind(&metadata.file_type()));
    let major = metadata.map_or(0, |metadata| u64::from(rustix::fs::major(metadata.rdev())));
    if is(FileTypeExt::is_fifo) {
        return OpenFile::Fifo { path: Some(path), id: metadata.map_or(0, Metadata::ino), access };
    }
    if is(FileTypeExt::is_char_device) && TERMINALS.iter().any(|numbers| numbers.contains(&major)) {
        return OpenFile::Terminal { path: Some(path), columns: None, rows: None };
    }
    let position = info.field("pos").and_then(|position| position.parse().ok()).unwrap_or_default();
    OpenFile::File { path, access, position, size, deleted: is_gone }
}

fn of_events(name: &[u8], info: &Info) -> OpenFile {
    let hexadecimal = |field: &str| info.field(field).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let first_number = |line: &str| line.split_whitespace().next()?.parse().ok();
    match name {
        b"[eventfd]" => OpenFile::Eventfd { counter: hexadecimal("eventfd-count") },
        b"[eventpoll]" => OpenFile::Epoll { watched: info.values("tfd").filter_map(first_number).collect() },
        b"inotify" => {
            let watches = info.0.lines().filter(|line| line.starts_with("inotify wd:")).count();
            OpenFile::Inotify { watches: watches as u64 }
        }
        b"[fanotify]" => OpenFile::Fanotify,
        b"[signalfd]" => OpenFile::Signalfd { signals: hexadecimal("sigmask") },
        b"[timerfd]" => OpenFile::Timerfd,
        b"[pidfd]" => {
            let pid = info.field("NSpid").and_then(|pids| pids.split_whitespace().last()?.parse().ok());
            OpenFile::Pidfd { pid }
        }
        other => OpenFile::Other { name: other.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(target: &str, info: &str) -> OpenFile {
        open_file(Path::new(target), None, 1, &Info(info.to_owned()), &Sockets::default())
    }

    #[test]
    fn links_and_lines_say_what_is_open() {
        assert_eq!(seen("pipe:[17]", ""), OpenFile::Pipe { id: 17, access: Access::Write });
        assert_eq!(seen("net:[4026531840]", ""), OpenFile::Namespace { id: Some(4_026_531_840) });
        assert_eq!(
            seen("anon_inode:[eventfd]", "eventfd-count:               1f\n"),
            OpenFile::Eventfd { counter: Some(31) }
        );
        let epoll = seen("anon_inode:[eventpoll]", "tfd:        5 events:       19\ntfd:        9 events:       19\n");
        assert_eq!(epoll, OpenFile::Epoll { watched: vec![5, 9] });
        assert_eq!(
            seen("anon_inode:inotify", "inotify wd:1 ino:2\ninotify wd:2 ino:3\n"),
            OpenFile::Inotify { watches: 2 }
        );
        assert_eq!(seen("anon_inode:[io_uring]", ""), OpenFile::Other { name: "[io_uring]".into() });
        assert_eq!(seen("strange:[x]", ""), OpenFile::Other { name: "strange:[x]".into() });
        let file = seen("/a (deleted)", "pos:\t7\n");
        let path = OsStr::new("/a (deleted)").into();
        assert_eq!(file, OpenFile::File { path, access: Access::Write, position: 7, size: None, deleted: false });
    }
}
