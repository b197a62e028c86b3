//! Trees in.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use aligntar::{Alignment, ClonePolicy, Span, transfer};
use rustix::fs::{Dir, FileType, Mode, OFlags, flistxattr, fstat, open, openat, readlinkat};

use super::index::{self, Name};
use super::{CHUNK, CLONE_FROM, Outcome, cloned_length, on_all_cores};

/// A pax header with a time in ns, and the member's own: three blocks of tar.
const HEADERS: usize = 3 * 512;

pub(crate) fn pack(root: &Path, file: &Path) -> Outcome {
    let target = File::create_new(file)?;
    let mut folders = Vec::new();
    list_folders(root, &mut folders)?;
    let next = AtomicUsize::new(0);
    let archive = Archive { file: &target, fs_block: Alignment::of(&target)?, end: Mutex::new(0) };
    let packed = on_all_cores(|| {
        let mut packer = Packer::new(&archive);
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            packer.pack_folder(root, folder)?;
        }
        packer.flush()?;
        packer.clone_large(root)?;
        Ok(packer.names)
    })?;
    let mut names: Vec<Name> =
        folders.iter().map(|folder| Name::Folder { path: folder.display().to_string() }).collect();
    names.extend(packed.into_iter().flatten());
    link(&mut names);
    index::write(&target, &names, archive.end.into_inner().unwrap_or_else(PoisonError::into_inner))?;
    Ok(())
}

/// Paths below `root`, parents first.
fn list_folders(root: &Path, folders: &mut Vec<PathBuf>) -> Outcome {
    folders.push(PathBuf::new());
    let mut at = folders.len() - 1;
    while let Some(folder) = folders.get(at).cloned() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(folder.join(entry.file_name()));
            }
        }
        at += 1;
    }
    Ok(())
}

/// Makes links of all names of an inode but the first.
fn link(names: &mut [Name]) {
    let mut first = HashMap::<u64, String>::new();
    for name in names {
        if let Name::File { path, inode: inode @ 1.., .. } = name {
            match first.get(inode) {
                Some(target) => *name = Name::HardLink { path: std::mem::take(path), target: target.clone() },
                None => drop(first.insert(*inode, path.clone())),
            }
        }
    }
}

/// The file that all threads append to, one after the other: file systems lock it anyway, and fill gaps at its end.
struct Archive<'f> {
    file: &'f File,
    fs_block: Alignment,
    end: Mutex<u64>,
}

impl Archive<'_> {
    /// Lets `place` put `length` bytes at the end; gives their offset.
    fn append(&self, length: u64, place: impl FnOnce(u64) -> Outcome) -> Outcome<u64> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = *end;
        place(offset)?;
        *end += length.next_multiple_of(self.fs_block.bytes());
        Ok(offset)
    }
}

struct Packer<'p> {
    archive: &'p Archive<'p>,
    /// What was read and not yet written.
    buffer: Vec<u8>,
    /// Which of `names` have their data in the buffer, at an offset that counts from its start.
    waiting: Vec<usize>,
    names: Vec<Name>,
    /// Paths, inodes and lengths of what is cloned in the end: a clone behind fresh data would have to write that out.
    large: Vec<(String, u64, u64)>,
}

impl<'p> Packer<'p> {
    fn new(archive: &'p Archive<'p>) -> Self {
        let buffer = Vec::with_capacity(2 * CHUNK);
        Packer { archive, buffer, waiting: Vec::new(), names: Vec::new(), large: Vec::new() }
    }

    fn pack_folder(&mut self, root: &Path, path: &Path) -> Outcome {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(root.join(path), flags, Mode::empty())?;
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let below = || path.join(OsStr::from_bytes(entry.file_name().to_bytes())).display().to_string();
            match entry.file_type() {
                FileType::RegularFile => {
                    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                    let file = File::from(openat(&folder, entry.file_name(), flags, Mode::empty())?);
                    self.pack_file(&file, below())?;
                }
                FileType::Symlink => {
                    let target = readlinkat(&folder, entry.file_name(), Vec::new())?.into_string()?;
                    self.names.push(Name::Symlink { path: below(), target });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn pack_file(&mut self, file: &File, path: String) -> Outcome {
        let stat = fstat(file)?;
        flistxattr(file, &mut [0; 256])?;
        let length = stat.st_size as u64;
        if stat.st_nlink > 1 || length >= CLONE_FROM {
            self.large.push((path, if stat.st_nlink > 1 { stat.st_ino } else { 0 }, length));
            return Ok(());
        }
        self.buffer.resize(self.buffer.len() + HEADERS, 0);
        let tail = self.read_tail(file, 0, length as usize)?;
        self.push(Name::File { path, blocks: 0, tail, length, inode: 0 })
    }

    /// Reads `length` bytes behind `offset`; gives where they are in the buffer.
    fn read_tail(&mut self, file: &File, offset: u64, length: usize) -> Outcome<u64> {
        let start = self.buffer.len();
        self.buffer.resize(start + length, 0);
        file.read_exact_at(&mut self.buffer[start..], offset)?;
        self.buffer.resize(self.buffer.len().next_multiple_of(512), 0);
        Ok(start as u64)
    }

    /// A name whose tail is the last in the buffer.
    fn push(&mut self, name: Name) -> Outcome {
        self.waiting.push(self.names.len());
        self.names.push(name);
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn clone_large(&mut self, root: &Path) -> Outcome {
        let Archive { file: target, fs_block, .. } = self.archive;
        for (path, inode, length) in std::mem::take(&mut self.large) {
            let file = File::open(root.join(&path))?;
            let cloned = cloned_length(length, *fs_block);
            let blocks = self.archive.append(cloned, |target_offset| {
                let span = Span { source_offset: 0, target_offset, length: cloned };
                transfer(&file, target, span, *fs_block, ClonePolicy::IfPossible)?;
                Ok(())
            })?;
            let tail = self.read_tail(&file, cloned, (length - cloned) as usize)?;
            self.push(Name::File { path, blocks, tail, length, inode })?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Outcome {
        let bytes = &self.buffer;
        let write = |offset| Ok(self.archive.file.write_all_at(bytes, offset)?);
        let start = self.archive.append(bytes.len() as u64, write)?;
        for at in self.waiting.drain(..) {
            if let Name::File { tail, .. } = &mut self.names[at] {
                *tail += start;
            }
        }
        self.buffer.clear();
        Ok(())
    }
}
