//! Writes `devshm-checkpoint.tar` anew. podman unpacks it by paths, and follows symbolic links that it has just made.
//!
//! podman 5.4.2 refuses `..` in it, but takes a link `esc -> /` and writes a member `esc/etc/passwd` to the host. It is
//! given an archive that was written here, of members that stay below /dev/shm: of what podman mounts for others as well,
//! as a pod's. Into the container's own, podman would write zeros for holes, which the memory may not hold, and no long
//! paths: `repairs/shm.rs` fills that.

use std::collections::HashSet;

use aligntar::{Kind, Member, Span, Writer};

use super::RestoreError;
use crate::archive::{CheckpointArchive, DEVSHM, limits};

/// Appends the container's /dev/shm, if the archive has it; without its files where podman is not to fill it.
pub(super) fn append(
    writer: &mut Writer<'_>,
    archive: &CheckpointArchive,
    is_filled: bool,
) -> Result<(), RestoreError> {
    let Some(devshm) = archive.entry(DEVSHM) else { return Ok(()) };
    let members = archive.nested(devshm)?;
    writer.append_nested(&devshm.member, |nested| {
        let mut below = Below::default();
        for entry in members {
            let entry = entry?;
            below.pass(&entry.member)?;
            if !is_filled {
                continue;
            }
            let spans: Vec<Span> = entry.data_spans().filter(|span| span.length > 0).collect();
            nested.append_spans(&entry.member, archive.file(), &spans)?;
        }
        Ok(())
    })
}

/// What can lead elsewhere among the members so far.
#[derive(Default)]
struct Below {
    no_directories: HashSet<Vec<u8>>,
    kept_bytes: usize,
}

impl Below {
    /// Passes a member whose path, and whose target for a hard link, goes by names of directories only.
    fn pass(&mut self, member: &Member) -> Result<(), RestoreError> {
        let target = match &member.kind {
            Kind::HardLink { target } => Some(target),
            _ => None,
        };
        let is_root = member.path == b"." && member.kind == Kind::Directory;
        let paths = std::iter::once(&member.path).filter(|_| !is_root).chain(target);
        if let Some(path) = paths.into_iter().find(|path| !self.is_below(path)) {
            return Err(RestoreError::Climbing { path: String::from_utf8_lossy(path).into_owned() });
        }
        if member.kind == Kind::Directory {
            self.no_directories.remove(&member.path);
        } else if self.no_directories.insert(member.path.clone()) {
            self.kept_bytes += limits::shm_path(&member.path);
        }
        limits::shm_paths(self.kept_bytes).map_err(|_| RestoreError::LargeShm)
    }

    fn is_below(&self, path: &[u8]) -> bool {
        let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        path.split(|&byte| byte == b'/').all(is_name)
            && ends.into_iter().all(|end| !self.no_directories.contains(&path[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that two paths of this length take together, with what is kept for each, are as many as may be.
    const HALF: usize = (32 << 20) - 64;

    #[test]
    fn more_paths_than_memory_holds_are_refused() {
        let mut below = Below::default();
        let mut pass = |path: Vec<u8>| below.pass(&Member::new(path, Kind::Regular { size: 0 }, 0o600));
        let long = |last: u8| [vec![b'n'; HALF], vec![last]].concat();
        pass(long(b'a')).unwrap();
        pass(long(b'a')).unwrap();
        assert!(matches!(pass(long(b'b')), Err(RestoreError::LargeShm)));
    }

    #[test]
    fn members_go_by_directories_only() {
        let link = || Kind::Symlink { target: b"/".to_vec() };
        let hard = |target: &str| Kind::HardLink { target: target.into() };
        let file = || Kind::Regular { size: 0 };
        type Case<'a> = (&'a str, Vec<(&'a str, Kind)>, bool);
        let cases: [Case<'_>; 10] = [
            ("a tree", vec![(".", Kind::Directory), ("d", Kind::Directory), ("d/f", file())], true),
            ("a link", vec![("l", link()), ("f", file()), ("h", hard("f"))], true),
            ("a link that became a directory", vec![("l", link()), ("l", Kind::Directory), ("l/f", file())], true),
            ("behind a link", vec![("l", link()), ("l/f", file())], false),
            ("far behind a link", vec![("l", link()), ("l/d/f", file())], false),
            ("behind a hard link to a link", vec![("l", link()), ("h", hard("l")), ("h/f", file())], false),
            ("a hard link behind a link", vec![("l", link()), ("h", hard("l/etc/passwd"))], false),
            ("up", vec![("../f", file())], false),
            ("the root", vec![("/f", file())], false),
            ("a file for a root", vec![(".", file())], false),
        ];
        for (name, members, passed) in cases {
            let mut below = Below::default();
            let all = members.into_iter().map(|(path, kind)| below.pass(&Member::new(path, kind, 0o600)));
            assert_eq!(all.collect::<Result<Vec<()>, _>>().is_ok(), passed, "{name}");
        }
    }
}
