//! Images of pages that hold nothing but what cannot come later, where they cannot be cloned.
//!
//! CRIU reads nothing else of them while a server brings the rest. A CRIU that does not come to the server would take
//! their holes for memory. So they appear in its folder only when it has come: it does so before its script at
//! pre-restore, and opens them afterwards (`cr_restore_tasks` in criu/cr-restore.c). One that does not call back finds
//! none, and fails.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use aligntar::{Alignment, ClonePolicy, Entry, Span, Transferred, transfer};

use super::RestoreOptions;
use super::plan::RestorePlan;
use crate::archive::{CHECKPOINT, CheckpointArchive};
use crate::criu::page_server::checkpoint_in;

/// What the names of images of pages begin with.
const PAGES: &str = "pages-";

/// Images that are still to be put in place.
#[derive(Debug, Default)]
pub(super) struct LatePages {
    images: Vec<PagesImage>,
}

#[derive(Debug)]
struct PagesImage {
    entry: Entry,
    path: PathBuf,
    /// Bytes of it that CRIU reads itself.
    eager: Vec<Range<u64>>,
}

impl LatePages {
    /// Those that come to `image_dir` late; none where all of their bytes have to stay there.
    pub(super) fn choose(plan: &RestorePlan<'_>, options: &RestoreOptions, image_dir: &Path) -> io::Result<Self> {
        let mut late = Self::default();
        if plan.prepared.lazy_from.is_none() || options.clone_policy == ClonePolicy::Required {
            return Ok(late);
        }
        let is_copied = |entry| match options.clone_policy {
            ClonePolicy::Never => Ok(true),
            _ => can_be_cloned(plan.prepared.archive.file(), entry, image_dir).map(|can| !can),
        };
        let mut checkpoint = None;
        for (entry, name) in pages(&plan.prepared.archive) {
            if !is_copied(entry)? {
                continue;
            }
            if checkpoint.is_none() {
                checkpoint = Some(checkpoint_in(&plan.prepared.archive).map_err(io::Error::other)?);
            }
            if let Some(eager) = checkpoint.as_ref().and_then(|checkpoint| checkpoint.eager_ranges(name)) {
                late.images.push(PagesImage {
                    entry: entry.clone(),
                    path: image_dir.join(name),
                    eager: eager.to_vec(),
                });
            }
        }
        Ok(late)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Whether this member of the archive is one of them.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.images.iter().any(|image| image.entry.member.path == entry.member.path)
    }

    /// Puts them in place. Call it when CRIU has come to the page server.
    pub(super) fn place(&self, archive: &File, policy: ClonePolicy) -> io::Result<Transferred> {
        let mut moved = Transferred::default();
        for image in &self.images {
            moved += image.place(archive, policy)?;
        }
        Ok(moved)
    }
}

impl PagesImage {
    fn place(&self, archive: &File, policy: ClonePolicy) -> io::Result<Transferred> {
        let (target, size) = (File::create_new(&self.path)?, self.entry.member.size());
        let fs_block = Alignment::of(&target).map_err(io::Error::other)?;
        let mut moved = Transferred { hole_bytes: size, ..Transferred::default() };
        for Range { start, end } in self.eager.iter().cloned() {
            let length = end - start;
            let span = Span { source_offset: self.entry.data_offset + start, target_offset: start, length };
            moved += transfer(archive, &target, span, fs_block, policy).map_err(io::Error::other)?;
            moved.hole_bytes -= length;
        }
        target.set_len(size)?;
        Ok(moved)
    }
}

/// CRIU's images of pages in the archive, with their names.
fn pages(archive: &CheckpointArchive) -> impl Iterator<Item = (&Entry, &str)> {
    archive.entries().filter_map(|entry| {
        let path = std::str::from_utf8(&entry.member.path).ok()?;
        let name = path.strip_prefix(CHECKPOINT)?.strip_prefix('/')?;
        name.starts_with(PAGES).then_some((entry, name))
    })
}

/// Whether the first block of `entry` can, in a nameless file.
fn can_be_cloned(archive: &File, entry: &Entry, image_dir: &Path) -> io::Result<bool> {
    let target = tempfile::tempfile_in(image_dir)?;
    let fs_block = Alignment::of(&target).map_err(io::Error::other)?;
    let length = fs_block.bytes();
    if entry.member.size() < length {
        return Ok(false);
    }
    let first = Span { source_offset: entry.data_offset, target_offset: 0, length };
    Ok(transfer(archive, &target, first, fs_block, ClonePolicy::Required).is_ok())
}
