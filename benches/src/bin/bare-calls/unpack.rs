//! Trees out.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use aligntar::{Alignment, ClonePolicy, Span, transfer};
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, futimens, open, openat};

use super::index::{self, Name};
use super::{CHUNK, Outcome, cloned_length, on_all_cores};

pub(crate) fn unpack(file: &Path, root: &Path) -> Outcome {
    let archive = File::open(file)?;
    let names = index::read(&archive)?;
    for name in &names {
        if let Name::Folder { path } = name
            && !path.is_empty()
        {
            fs::create_dir(root.join(path))?;
        }
    }
    let folders: Vec<&[Name]> = names.chunk_by(|one, other| folder_of(one) == folder_of(other)).collect();
    let next = AtomicUsize::new(0);
    on_all_cores(|| {
        let mut unpacker =
            Unpacker { archive: &archive, fs_block: Alignment::of(&archive)?, chunk: Vec::new(), start: 0 };
        while let Some(names) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            unpacker.unpack_folder(root, names)?;
        }
        Ok(())
    })?;
    for name in &names {
        match name {
            Name::Symlink { path, target } => symlink(target, root.join(path))?,
            Name::HardLink { path, target } => fs::hard_link(root.join(target), root.join(path))?,
            Name::Folder { .. } | Name::File { .. } => {}
        }
    }
    Ok(())
}

/// The folder of a file; of all else, none.
fn folder_of(name: &Name) -> Option<&Path> {
    match name {
        Name::File { path, .. } => Path::new(path).parent(),
        _ => None,
    }
}

struct Unpacker<'u> {
    archive: &'u File,
    fs_block: Alignment,
    /// A part of the archive, and where it starts.
    chunk: Vec<u8>,
    start: u64,
}

impl Unpacker<'_> {
    fn unpack_folder(&mut self, root: &Path, names: &[Name]) -> Outcome {
        let Some(path) = names.first().and_then(folder_of) else { return Ok(()) };
        let folder = open(root.join(path), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        for name in names {
            if let Name::File { path, blocks, tail, length, .. } = name {
                let name = path.rsplit('/').next().unwrap_or(path);
                self.unpack_file(&folder, name, [*blocks, *tail], *length)?;
            }
        }
        Ok(())
    }

    fn unpack_file(&mut self, folder: &OwnedFd, name: &str, [blocks, tail]: [u64; 2], length: u64) -> Outcome {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = File::from(openat(folder, name, flags, Mode::from_raw_mode(0o644))?);
        let cloned = cloned_length(length, self.fs_block);
        if cloned > 0 {
            let span = Span { source_offset: blocks, target_offset: 0, length: cloned };
            transfer(self.archive, &file, span, self.fs_block, ClonePolicy::IfPossible)?;
        }
        file.write_all_at(self.data(tail, (length - cloned) as usize)?, cloned)?;
        let time = Timespec { tv_sec: 1_000_000_000, tv_nsec: 7 };
        futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
        Ok(())
    }

    fn data(&mut self, offset: u64, length: usize) -> Outcome<&[u8]> {
        let at = offset.checked_sub(self.start).map(|at| at as usize);
        let at = match at.filter(|at| at + length <= self.chunk.len()) {
            Some(at) => at,
            None => {
                self.chunk.resize(CHUNK, 0);
                let read = self.archive.read_at(&mut self.chunk, offset)?;
                self.chunk.truncate(read);
                self.start = offset;
                0
            }
        };
        self.chunk.get(at..at + length).ok_or_else(|| "the file ends early".into())
    }
}
