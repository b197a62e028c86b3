//! Where an archive's bytes are.

use std::collections::BTreeMap;

use aligntar::{Entry, Kind};
use serde::Serialize;

use super::changes::Changes;
use crate::archive::{ArchiveError, CHECKPOINT, CheckpointArchive, DEVSHM, ROOTFS_DIFF, VOLUMES};
use crate::host::byte_string::ByteString;
use crate::inside::{MappedKind, Process};

/// Bytes of an archive, and what they are made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// What it is: a part of the archive, a process, a directory.
    pub name: ByteString,
    /// Bytes, those below it included.
    pub bytes: u64,
    /// What it is made of, the largest first; nothing where that is not told.
    pub parts: Vec<Share>,
}

/// Names that are told apart in one part; what comes after them is told together.
const TOLD: usize = 4096;

/// Depth of the directories that are told apart.
const DEPTH: usize = 3;

impl Share {
    fn of_parts(name: impl Into<ByteString>, mut parts: Vec<Share>) -> Self {
        parts.retain(|part| part.bytes > 0);
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        Share { name: name.into(), bytes: parts.iter().map(|part| part.bytes).sum(), parts }
    }

    fn single(name: impl Into<ByteString>, bytes: u64) -> Self {
        Share { name: name.into(), bytes, parts: Vec::new() }
    }
}

/// Of everything but the memory; and what was changed.
pub(super) fn of_files(archive: &CheckpointArchive) -> Result<(Vec<Share>, Changes), ArchiveError> {
    let (mut shares, mut changes) = (Vec::new(), Changes::default());
    let (mut images, mut metadata) = (0, 0);
    for entry in archive.entries() {
        let path = String::from_utf8_lossy(&entry.member.path).into_owned();
        let title = match path.strip_prefix(VOLUMES).and_then(|path| path.strip_suffix(".tar")) {
            Some(volume) => Some(format!("volume {volume}")),
            None if path == ROOTFS_DIFF => Some("files".to_owned()),
            None if path == DEVSHM => Some("/dev/shm".to_owned()),
            None => None,
        };
        if let Some(title) = title {
            let mut tree = Tree::default();
            each(archive, entry, &mut |member| {
                tree.add(member);
                if path == ROOTFS_DIFF {
                    changes.add(member);
                }
            })?;
            shares.push(tree.into_share(title));
        } else if path.starts_with(CHECKPOINT) {
            images += if is_pages(&path) { 0 } else { size(entry) };
        } else {
            metadata += size(entry);
        }
    }
    shares.push(Share::of_parts(
        "the rest",
        vec![Share::single("CRIU's other images", images), Share::single("metadata", metadata)],
    ));
    shares.retain(|share| share.bytes > 0);
    Ok((shares, changes))
}

/// Of the memory; none where there is none.
pub(super) fn of_memory(archive: &CheckpointArchive, processes: &[Process]) -> Option<Share> {
    let pages = archive.entries().filter(|entry| is_pages(&String::from_utf8_lossy(&entry.member.path)));
    let all: u64 = pages.map(size).sum();
    let mut parts: Vec<Share> = processes.iter().map(of_process).collect();
    let told: u64 = parts.iter().map(|part| part.bytes).sum();
    parts.push(Share::single("shared memory", all.saturating_sub(told)));
    Some(Share::of_parts("memory", parts)).filter(|share| share.bytes > 0)
}

fn of_process(process: &Process) -> Share {
    let name = [format!("{} ", process.pid).as_bytes(), &process.name.0].concat();
    let kinds = process.memory.iter().flat_map(|memory| &memory.kinds);
    let kind = |kind: &MappedKind| match kind {
        MappedKind::Heap => "heap".into(),
        MappedKind::Stack => "stack".into(),
        MappedKind::Anonymous => "anonymous".into(),
        MappedKind::Shared => "shared".into(),
        MappedKind::File { path } => ByteString::from(path.0.as_os_str().as_encoded_bytes()),
    };
    Share::of_parts(name, kinds.map(|memory| Share::single(kind(&memory.kind), memory.resident_bytes)).collect())
}

fn is_pages(path: &str) -> bool {
    let name = path.strip_prefix(CHECKPOINT).and_then(|name| name.strip_prefix('/'));
    name.is_some_and(|name| name.starts_with("pages-") && name.ends_with(".img"))
}

fn size(entry: &Entry) -> u64 {
    if let Kind::Regular { size } = entry.member.kind { size } else { 0 }
}

fn each(archive: &CheckpointArchive, entry: &Entry, visit: &mut dyn FnMut(&Entry)) -> Result<(), ArchiveError> {
    if archive.is_packed(entry)? {
        return archive.each_packed(entry, visit);
    }
    archive.nested(entry)?.try_for_each(|member| {
        visit(&member?);
        Ok(())
    })
}

/// Bytes by the first words of paths.
#[derive(Default)]
struct Tree {
    by_path: BTreeMap<Vec<Vec<u8>>, u64>,
    others: u64,
}

impl Tree {
    fn add(&mut self, entry: &Entry) {
        self.add_path(&entry.member.path, size(entry));
    }

    fn add_path(&mut self, path: &[u8], bytes: u64) {
        if bytes == 0 {
            return;
        }
        let key: Vec<Vec<u8>> = path.split(|&byte| byte == b'/').take(DEPTH).map(<[u8]>::to_vec).collect();
        if self.by_path.len() >= TOLD && !self.by_path.contains_key(&key) {
            self.others = self.others.saturating_add(bytes);
        } else {
            let sum = self.by_path.entry(key).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    fn into_share(self, title: String) -> Share {
        let all: Vec<(&[Vec<u8>], u64)> = self.by_path.iter().map(|(path, bytes)| (&path[..], *bytes)).collect();
        let mut parts = below(&all, "/");
        parts.push(Share::single("others", self.others));
        Share::of_parts(title.as_str(), parts)
    }
}

/// A share for each first word of these paths, `prefix` in front of it; they have [`DEPTH`] words at most.
fn below(paths: &[(&[Vec<u8>], u64)], prefix: &str) -> Vec<Share> {
    let first = |(path, _): &(&[Vec<u8>], u64)| path.first().cloned();
    let chunks = paths.chunk_by(|one, other| first(one) == first(other));
    let share = |chunk: &[(&[Vec<u8>], u64)]| {
        let name = [prefix.as_bytes(), &first(&chunk[0]).unwrap_or_default()].concat();
        let rest: Vec<(&[Vec<u8>], u64)> =
            chunk.iter().filter(|(path, _)| path.len() > 1).map(|(path, bytes)| (&path[1..], *bytes)).collect();
        let own: u64 = chunk.iter().filter(|(path, _)| path.len() <= 1).map(|(_, bytes)| bytes).sum();
        if rest.is_empty() {
            return Share::single(name, own);
        }
        let mut parts = below(&rest, "");
        parts.push(Share::single(".", own));
        Share::of_parts(name, parts)
    };
    chunks.map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_by_directory() {
        let mut tree = Tree::default();
        for (path, bytes) in
            [("var/lib/a", 3), ("var/lib/b/c", 4), ("var/lib/b/d", 5), ("var/log", 1), ("x", 20), ("empty", 0)]
        {
            tree.add_path(path.as_bytes(), bytes);
        }
        let lib = Share::of_parts("lib", vec![Share::single("a", 3), Share::single("b", 9)]);
        let var = Share::of_parts("/var", vec![lib, Share::single("log", 1)]);
        let expected = Share { name: "files".into(), bytes: 33, parts: vec![Share::single("/x", 20), var] };
        assert_eq!(tree.into_share("files".to_owned()), expected);
    }

    #[test]
    fn a_great_many_names_are_told_together() {
        let mut tree = Tree::default();
        (0..10_000).for_each(|number| tree.add_path(number.to_string().as_bytes(), 1));
        let share = tree.into_share("files".to_owned());
        assert_eq!((share.bytes, share.parts.len()), (10_000, TOLD + 1));
    }
}
