//! Hard links to a member that was not asked for: the first of them gets its data.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;

use aligntar::{Entry, FileSource, Kind, Reader, Unpacker};
use anyhow::Result;

use super::selection::{Selection, plain};
use crate::progress::ProgressLine;

/// Bytes of memory for such links; those beyond it are made as links, if they can be.
const REMEMBERED_BYTES: usize = 64 << 20;

/// A link may be to a link, and so on.
const PASSES: usize = 16;

/// Links that wait for the end of the archive, by their paths.
#[derive(Default)]
pub(super) struct Links {
    waiting: BTreeMap<PathBuf, Entry>,
    bytes: usize,
}

impl Links {
    /// Whether `entry`, which is wanted, is a link that has to wait. What was to wait for its path does so no longer.
    pub(super) fn keep(&mut self, entry: &Entry, wanted: &Selection) -> bool {
        let path = plain(&entry.member.path);
        self.waiting.remove(&path);
        let Kind::HardLink { target } = &entry.member.kind else { return false };
        let bytes = 2 * (size_of::<Entry>() + entry.member.path.len() + target.len());
        if wanted.has(target) || self.bytes + bytes > REMEMBERED_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.waiting.insert(path, entry.clone());
        true
    }

    /// Makes them out of the `archive`, which is read again for that.
    pub(super) fn make(self, archive: &File, unpacker: &mut Unpacker<'_>, progress: &mut ProgressLine) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut by_target = BTreeMap::<_, Vec<_>>::new();
        for link in self.waiting.into_values() {
            by_target.entry(target(&link)).or_default().push(link);
        }
        let found = find(archive, &by_target)?;
        for (target, mut links) in by_target {
            links.sort_by_key(|link| link.header_offset);
            let first = links[0].member.path.clone();
            for mut link in links {
                match found.get(&target) {
                    Some(entry) if link.member.path == first => {
                        let path = link.member.path;
                        link = entry.clone();
                        link.member.path = path;
                    }
                    Some(_) => link.member.kind = Kind::HardLink { target: first.clone() },
                    // It is made, and told if that fails, as any other.
                    None => {}
                }
                progress.count(unpacker.unpack(&link, &mut FileSource::new(archive)?)?);
            }
        }
        Ok(())
    }
}

fn target(link: &Entry) -> PathBuf {
    match &link.member.kind {
        Kind::HardLink { target } => plain(target),
        _ => unreachable!("only links are kept"),
    }
}

/// What the links are names of: the last member of that path before the first link to it, else the last one.
fn find(archive: &File, links: &BTreeMap<PathBuf, Vec<Entry>>) -> Result<HashMap<PathBuf, Entry>> {
    // The paths that are looked for, with the links' targets that they stand for.
    let mut sought: HashMap<PathBuf, Vec<(PathBuf, u64)>> = HashMap::new();
    for (target, links) in links {
        let first = links.iter().map(|link| link.header_offset).min().unwrap_or(u64::MAX);
        sought.entry(target.clone()).or_default().push((target.clone(), first));
    }
    let mut found = HashMap::<PathBuf, Entry>::new();
    for _ in 0..PASSES {
        let mut further: HashMap<PathBuf, Vec<(PathBuf, u64)>> = HashMap::new();
        for entry in Reader::open(archive)? {
            let entry = entry?;
            let Some(targets) = sought.get(&plain(&entry.member.path)) else { continue };
            for (target, first) in targets {
                match &entry.member.kind {
                    Kind::HardLink { target: next } => {
                        further.entry(plain(next)).or_default().push((target.clone(), *first));
                    }
                    Kind::Directory => {}
                    _ if entry.header_offset < *first || !found.contains_key(target) => {
                        found.insert(target.clone(), entry.clone());
                    }
                    _ => {}
                }
            }
        }
        for targets in further.values_mut() {
            targets.retain(|(target, _)| !found.contains_key(target));
        }
        further.retain(|_, targets| !targets.is_empty());
        if further.is_empty() {
            break;
        }
        sought = further;
    }
    Ok(found)
}
