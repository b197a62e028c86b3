//! Makes the trees: the same in every run, nothing in them compresses or is there twice.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::plan::{Scale, Tree};
use super::sizes::{Random, Sizes};
use crate::lab::FileSystem;

/// Folders of the trees of small files: some at the top, the others below them.
const TOP_FOLDERS: u32 = 31;
const FOLDERS: u32 = 997;

/// Every so often a file has a symbolic link and a hard link beside it.
const LINK_EVERY: u32 = 1000;

/// Size of the sparse file, and of each piece of data in it.
const SPARSE_BYTES: u64 = 1_000_000_000_000;
const PLACE_BYTES: u64 = 1_000_000;
/// Data begins on one: holes end on blocks of the file system, whichever it has.
const PLACE_UNIT: u64 = 1 << 16;

/// Data is written in pieces of at most this many bytes, each marked with a number of its own.
const PIECE: usize = 1 << 20;

/// A tree to be made, or that was made.
pub(super) struct Plot<'s> {
    pub(super) tree: Tree,
    pub(super) fs: FileSystem,
    pub(super) scale: &'s Scale,
}

/// One regular file of it.
pub(super) struct Leaf {
    number: u32,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Plot<'_> {
    pub(super) fn leaves(&self) -> impl Iterator<Item = Leaf> {
        let (count, sizes) = (self.scale.files(self.tree, self.fs), self.sizes());
        let mut random = Random::new(u64::from(count));
        (0..count).map(move |number| Leaf {
            number,
            path: self.folder(number, count).join(format!("file-{number:07}.dat")),
            bytes: sizes.draw(&mut random),
        })
    }

    /// Where the data of the sparse file begins.
    pub(super) fn places(&self) -> impl Iterator<Item = u64> {
        let count = u64::from(self.scale.sparse_places());
        (0..count).map(move |number| SPARSE_BYTES / count * number / PLACE_UNIT * PLACE_UNIT)
    }

    fn sizes(&self) -> Sizes {
        match self.tree {
            Tree::Large => Sizes::Equal(self.scale.large_bytes()),
            Tree::Small => Sizes::Mixed,
            Tree::Tenth | Tree::Million => Sizes::Tiny,
            Tree::Sparse => Sizes::Equal(SPARSE_BYTES),
        }
    }

    /// Neighbours in number are neighbours on disk, as an unpacked tree has them.
    fn folder(&self, number: u32, count: u32) -> PathBuf {
        if matches!(self.tree, Tree::Large | Tree::Sparse) {
            return PathBuf::new();
        }
        let below = u64::from(FOLDERS - TOP_FOLDERS);
        let folder = u64::from(number) * below / u64::from(count);
        PathBuf::from(format!("group-{:02}/folder-{folder:03}", folder * u64::from(TOP_FOLDERS) / below))
    }

    pub(super) fn grow(&self, root: &Path) -> Result<()> {
        self.grow_below(root).with_context(|| format!("cannot make files below {}", root.display()))
    }

    fn grow_below(&self, root: &Path) -> io::Result<()> {
        let mut data = Data::new();
        let mut folder = PathBuf::new();
        for leaf in self.leaves() {
            let path = root.join(&leaf.path);
            if let Some(parent) = path.parent()
                && parent != folder
            {
                fs::create_dir_all(parent)?;
                folder = parent.to_owned();
            }
            let file = File::create(&path)?;
            if self.tree == Tree::Sparse {
                // First, so that no write extends the file: XFS allocates ahead of those, and what is left of that
                // looks like data.
                file.set_len(leaf.bytes)?;
                self.places().try_for_each(|offset| data.write(&file, leaf.number, offset, PLACE_BYTES))?;
            } else {
                data.write(&file, leaf.number, 0, leaf.bytes)?;
            }
            file.set_modified(modified(leaf.number))?;
            if leaf.number % LINK_EVERY == LINK_EVERY - 1 {
                symlink(path.file_name().unwrap_or_default(), path.with_extension("symlink"))?;
                fs::hard_link(&path, path.with_extension("hardlink"))?;
            }
        }
        Ok(())
    }
}

/// Some hours apart, with nanoseconds.
fn modified(number: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000 + u64::from(number) * 599, number * 7 % 1_000_000_000)
}

/// Random once, then handed out from ever other offsets.
struct Data {
    pool: Vec<u8>,
    random: Random,
    piece: Vec<u8>,
    pieces: u64,
}

impl Data {
    fn new() -> Self {
        let mut random = Random::new(0);
        let pool = (0..2 * PIECE / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        Self { pool, random, piece: Vec::with_capacity(PIECE), pieces: 0 }
    }

    fn write(&mut self, file: &File, number: u32, offset: u64, bytes: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes {
            let len = (bytes - done).min(PIECE as u64) as usize;
            file.write_all_at(self.next_piece(number, len), offset + done)?;
            done += len as u64;
        }
        Ok(())
    }

    fn next_piece(&mut self, number: u32, len: usize) -> &[u8] {
        let start = self.random.next() as usize % (self.pool.len() - len);
        self.piece.clear();
        self.piece.extend_from_slice(&self.pool[start..start + len]);
        let mark = [&number.to_le_bytes()[..], &self.pieces.to_le_bytes()].concat();
        let marked = mark.len().min(len);
        self.piece[..marked].copy_from_slice(&mark[..marked]);
        self.pieces += 1;
        &self.piece
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::os::unix::fs::MetadataExt;

    use super::super::plan::tests::scale;
    use super::*;

    fn plot(tree: Tree, scale: &Scale) -> Plot<'_> {
        Plot { tree, fs: FileSystem::Xfs, scale }
    }

    #[test]
    fn small_files_lie_in_997_folders() {
        let scale = scale(&[]);
        let folders: BTreeSet<PathBuf> = plot(Tree::Small, &scale)
            .leaves()
            .flat_map(|leaf| leaf.path.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>())
            .filter(|folder| folder != Path::new(""))
            .collect();
        assert_eq!(folders.len(), 997);
    }

    #[test]
    fn places_spread_over_the_whole_file() {
        let scale = scale(&[]);
        let places: Vec<u64> = plot(Tree::Sparse, &scale).places().collect();
        assert_eq!(places.len(), 1000);
        assert!(places.iter().all(|offset| offset.is_multiple_of(4096)));
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 900 * PLACE_BYTES));
        assert!(places[999] + PLACE_BYTES < SPARSE_BYTES);
    }

    #[test]
    fn grows_files_and_links() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scale = scale(&["--small-files=1000"]);
        let plot = plot(Tree::Small, &scale);
        plot.grow(folder.path()).expect("files can be made");
        let contents: BTreeSet<Vec<u8>> =
            plot.leaves().map(|leaf| fs::read(folder.path().join(leaf.path)).expect("it was made")).collect();
        assert_eq!(contents.len(), 1000, "each file is another");
        let last = folder.path().join(plot.leaves().last().expect("there are 1000").path);
        assert_eq!(fs::metadata(&last).expect("it was made").nlink(), 2);
        let symlink = fs::symlink_metadata(last.with_extension("symlink")).expect("it was made");
        assert!(symlink.is_symlink());
    }
}
