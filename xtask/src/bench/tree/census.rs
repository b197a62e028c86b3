//! Whether a tree that was unpacked is the one that was packed: no tool shall win by leaving something out.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::grow::Plot;
use super::plan::Tree;

/// Files whose data and attributes are compared, beside what is counted of all of them.
const SAMPLES: usize = 1000;
const SAMPLE_BYTES: u64 = 4096;

/// What is below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Census {
    /// Regular files by name: an inode with two names is two.
    pub(super) files: u64,
    pub(super) folders: u64,
    pub(super) symlinks: u64,
    /// Names that share their inode with others.
    pub(super) linked: u64,
    /// Sizes of the regular files.
    pub(super) bytes: u64,
}

impl Census {
    pub(super) fn of(root: &Path) -> Result<Self> {
        let mut census = Self::default();
        census.add_folder(root).with_context(|| format!("cannot look below {}", root.display()))?;
        Ok(census)
    }

    fn add_folder(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                self.folders += 1;
                self.add_folder(&entry.path())?;
            } else if metadata.is_symlink() {
                self.symlinks += 1;
            } else if metadata.is_file() {
                self.files += 1;
                self.linked += u64::from(metadata.nlink() > 1);
                self.bytes += metadata.len();
            }
        }
        Ok(())
    }
}

/// Fails unless `copy` has all that the tree at `source`, which `census` counted, has.
///
/// Attributes are compared as well if `attributes` is true.
pub(super) fn compare(plot: &Plot<'_>, census: &Census, source: &Path, copy: &Path, attributes: bool) -> Result<()> {
    let found = Census::of(copy)?;
    ensure!(found == *census, "what was unpacked is {found:?}, not {census:?}");
    let every = plot.leaves().count().div_ceil(SAMPLES);
    for leaf in plot.leaves().step_by(every) {
        let paths = [source.join(&leaf.path), copy.join(&leaf.path)];
        let offsets: Vec<u64> = match plot.tree {
            Tree::Sparse => plot.places().collect(),
            _ => vec![0, leaf.bytes / 2, leaf.bytes.saturating_sub(SAMPLE_BYTES)],
        };
        let same = same_data(&paths, &offsets)
            .and_then(|same| Ok(same && (!attributes || same_attributes(&paths)?)))
            .with_context(|| format!("cannot compare {}", leaf.path.display()))?;
        ensure!(same, "{} is not what was packed", leaf.path.display());
    }
    Ok(())
}

fn same_data(paths: &[PathBuf; 2], offsets: &[u64]) -> io::Result<bool> {
    let [source, copy] = [File::open(&paths[0])?, File::open(&paths[1])?];
    for &offset in offsets {
        if sample(&source, offset)? != sample(&copy, offset)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Times in seconds: GNU tar keeps no more by default.
fn same_attributes(paths: &[PathBuf; 2]) -> io::Result<bool> {
    let attributes = |path| {
        let metadata = fs::metadata(path)?;
        io::Result::Ok((metadata.mtime(), metadata.mode(), metadata.uid(), metadata.gid()))
    };
    Ok(attributes(&paths[0])? == attributes(&paths[1])?)
}

fn sample(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; SAMPLE_BYTES as usize];
    let read = file.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Where the data of a file lies: offset and end of each piece, in bytes.
pub(super) fn data_map(path: &Path) -> Result<Vec<(u64, u64)>> {
    let name = || format!("cannot map {}", path.display());
    let file = File::open(path).with_context(name)?;
    let (mut map, mut end) = (Vec::new(), 0);
    loop {
        match seek(&file, SeekFrom::Data(end)) {
            // Past the last data, lseek(2).
            Err(Errno::NXIO) => return Ok(map),
            found => {
                let data = found.with_context(name)?;
                end = seek(&file, SeekFrom::Hole(data)).with_context(name)?;
                map.push((data, end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Scale;
    use super::super::plan::tests::scale;
    use super::*;
    use crate::lab::FileSystem;

    fn grown(scale: &Scale) -> (Plot<'_>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plot = Plot { tree: Tree::Small, fs: FileSystem::Xfs, scale };
        for tree in ["source", "copy"] {
            plot.grow(&folder.path().join(tree)).expect("files can be made");
        }
        (plot, folder)
    }

    #[test]
    fn equal_trees_are_equal_and_others_are_not() {
        let scale = scale(&["--small-files=1000"]);
        let (plot, folder) = grown(&scale);
        let [source, copy] = ["source", "copy"].map(|tree| folder.path().join(tree));
        let census = Census::of(&source).expect("it was made");
        assert_eq!((census.files, census.folders, census.symlinks, census.linked), (1001, 997, 1, 2));
        compare(&plot, &census, &source, &copy, true).expect("both were made alike");

        let victim = copy.join(plot.leaves().nth(500).expect("there are 1000").path);
        let original = fs::read(&victim).expect("it was made");
        let modified = fs::metadata(&victim).and_then(|metadata| metadata.modified()).expect("it was made");
        let write = |content: &[u8]| {
            fs::write(&victim, content).expect("it can be written");
            let file = File::options().write(true).open(&victim).expect("it was made");
            file.set_modified(modified).expect("it is ours");
        };
        let mut changed = original.clone();
        changed[0] ^= 1;
        write(&changed);
        assert!(compare(&plot, &census, &source, &copy, true).is_err(), "another byte");
        write(&original);
        compare(&plot, &census, &source, &copy, true).expect("it is as it was");
        fs::write(&victim, &original).expect("it can be written");
        assert!(compare(&plot, &census, &source, &copy, true).is_err(), "another time");
        fs::remove_file(&victim).expect("it was made");
        assert!(compare(&plot, &census, &source, &copy, true).is_err(), "one file less");
    }

    #[test]
    fn a_map_has_the_data_without_the_holes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("sparse");
        let file = File::create(&path).expect("a file");
        file.write_all_at(&[1; 4096], 1 << 20).expect("it can be written");
        file.set_len(1 << 24).expect("it can grow");
        let map = data_map(&path).expect("it can be read");
        assert_eq!(map.len(), 1, "{map:?}");
        assert!(map[0].0 > 0 && map[0].0 <= 1 << 20 && map[0].1 < 1 << 24, "{map:?}");
    }
}
