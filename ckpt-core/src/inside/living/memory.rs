//! `/proc/PID/smaps`: proc_pid_smaps(5).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::host::processes::read;
use crate::inside::process::{MappedKind, Memory, MemoryKind};

pub(super) fn of(pid: i32) -> Memory {
    parse(&read(pid, "smaps"))
}

fn parse(smaps: &[u8]) -> Memory {
    let (mut mapped_bytes, mut kinds) = (0, BTreeMap::<MappedKind, u64>::new());
    let mut last = None;
    for line in smaps.split(|&byte| byte == b'\n') {
        if let Some((length, kind)) = mapping(line) {
            mapped_bytes += length;
            last = Some(kind);
        } else if let (Some(rest), Some(kind)) = (line.strip_prefix(b"Rss:"), &last) {
            *kinds.entry(kind.clone()).or_default() += kibibytes(rest) << 10;
        }
    }
    kinds.retain(|_, bytes| *bytes > 0);
    let mut kinds: Vec<_> =
        kinds.into_iter().map(|(kind, resident_bytes)| MemoryKind { kind, resident_bytes }).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.resident_bytes));
    Memory { mapped_bytes, resident_bytes: kinds.iter().map(|kind| kind.resident_bytes).sum(), kinds }
}

/// `START-END PERMISSIONS OFFSET DEVICE INODE  PATH`: its length in bytes, and what it is.
fn mapping(line: &[u8]) -> Option<(u64, MappedKind)> {
    let mut words = line.splitn(6, |&byte| byte == b' ');
    let (start, end) = str::from_utf8(words.next()?).ok()?.split_once('-')?;
    let number = |hex| u64::from_str_radix(hex, 16).ok();
    let length = number(end)?.checked_sub(number(start)?)?;
    let is_shared = words.next()?.ends_with(b"s");
    let path = words.nth(3)?.trim_ascii();
    Some((length, kind(path, is_shared)))
}

fn kind(path: &[u8], is_shared: bool) -> MappedKind {
    match path {
        b"[heap]" => MappedKind::Heap,
        b"[stack]" => MappedKind::Stack,
        path if is_shared && [&b"/memfd:"[..], b"/SYSV", b"/dev/zero"].iter().any(|known| path.starts_with(known)) => {
            MappedKind::Shared
        }
        [b'/', ..] => MappedKind::File { path: OsStr::from_bytes(path).into() },
        _ if is_shared => MappedKind::Shared,
        _ => MappedKind::Anonymous,
    }
}

fn kibibytes(text: &[u8]) -> u64 {
    let number = str::from_utf8(text).ok().and_then(|text| text.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_told_apart() {
        let smaps = b"1000-3000 r-xp 00000000 fd:00 17                         /bin/a b\nRss:    8 kB\nPss:    4 kB\n\
                      4000-5000 rw-p 00000000 00:00 0                          [heap]\nRss:    4 kB\n\
                      6000-8000 rw-s 00000000 00:01 3                          /memfd:x (deleted)\nRss:    8 kB\n\
                      9000-a000 rw-p 00000000 00:00 0 \nRss:    0 kB\n";
        let memory = parse(smaps);
        assert_eq!((memory.mapped_bytes, memory.resident_bytes), (0x6000, 20 << 10));
        let kinds: Vec<_> = memory.kinds.into_iter().map(|kind| (kind.kind, kind.resident_bytes >> 10)).collect();
        let file = MappedKind::File { path: OsStr::new("/bin/a b").into() };
        assert_eq!(kinds, [(MappedKind::Shared, 8), (file, 8), (MappedKind::Heap, 4)]);
    }
}
