//! One tree that is taken: what is in it, and how fast a part of it is taken now, while the container still runs.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use aligntar::{
    Alignment, ChangePolicy, ClonePolicy, PackOptions, Packer, SocketPolicy, Span, WriteError, WriteOptions, Writer,
    extents, transfer, visit_names,
};
use layerfs::Layers;
use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, Stat, ioctl_getflags, openat, statat};

use crate::rootfs::capture_some;

/// Smaller files are copied wherever they lie.
const SMALL: u64 = 32 << 10;

/// Files from this size on are asked for their extents: smaller ones cannot have many.
const RAGGED: u64 = 1 << 20;

/// Names, files, bytes of all of them and extents that are taken on trial; some 0.1 s altogether.
const TRIAL_NAMES: usize = 500;
const TRIAL_FILES: usize = 16;
const TRIAL_BYTES: u64 = 32 << 20;
const TRIAL_EXTENTS: u32 = 2000;

/// Of a piece from this size on, only the second half is timed: the kernel reads ahead by then, as it does in the rest of
/// a large file.
const RUN_UP: u64 = 1 << 20;

/// Names that are timed together; fewer take no time.
const NAMES_AT_ONCE: usize = 20;

/// How files of more than a few KiB get into their target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// By clone, but for those that cannot be.
    Cloned,
    /// Byte by byte.
    Copied,
}

/// What is in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) names: u64,
    /// Space on the disk of all that is copied, as people are told it; small files of a tree that is cloned do not count.
    pub(super) told_bytes: u64,
    /// Space of all that is copied, small files included.
    pub(super) copied_bytes: u64,
    /// Of those that alone cannot be cloned, since `chattr +C` was done to them and not to the target, or the reverse.
    pub(super) nodatacow_bytes: u64,
    /// Of files that are cloned.
    pub(super) extents: u64,
}

/// How long the parts of the work take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// A name, and all calls that a small file takes.
    pub(super) name: Duration,
    pub(super) extent: Duration,
    /// A byte into the page cache, in seconds.
    pub(super) byte: f64,
    /// A byte onto the disk, in seconds.
    pub(super) byte_on_disk: f64,
}

impl Census {
    /// Time to take it all, of which `headroom` bytes need not wait for the disk; takes from that what it uses.
    pub(super) fn time(&self, rates: &Rates, headroom: &mut u64) -> Duration {
        let in_memory = self.copied_bytes.min(*headroom);
        *headroom -= in_memory;
        let on_disk = self.copied_bytes - in_memory;
        let bytes = in_memory as f64 * rates.byte + on_disk as f64 * rates.byte_on_disk.max(rates.byte);
        rates.name.mul_f64(self.names as f64)
            + rates.extent.mul_f64(self.extents as f64)
            + Duration::from_secs_f64(bytes)
    }
}

/// Where a tree's files lie.
#[derive(Clone, Copy)]
pub(super) enum Tree<'t> {
    /// An upperdir, of which the diff is taken.
    Diff(&'t Layers),
    /// All that is below a folder.
    Whole(&'t Path),
}

impl Tree<'_> {
    fn root(&self) -> &Path {
        match self {
            Tree::Diff(layers) => &layers.upperdir,
            Tree::Whole(folder) => folder,
        }
    }
}

/// Counts what is in `tree`, which goes into `target`, and takes some of it there, which is cut to nothing again.
pub(super) fn look(tree: Tree<'_>, target: &File, fate: Fate, headroom: u64) -> io::Result<(Census, Rates)> {
    // What cannot be opened is what the capture itself will name.
    let Ok(root) = File::open(tree.root()) else { return Ok(Default::default()) };
    let mut look = Look::new(target, fate);
    let _ = visit_names(&root, &mut |parent, name, file_type| look.visit(parent, name, file_type));
    let name = time_of_name(tree, target).unwrap_or_default();
    let rates = look.rates(name, headroom)?;
    Ok((look.census, rates))
}

/// What a name and a small file cost, of the first ones of the tree.
fn time_of_name(tree: Tree<'_>, target: &File) -> Result<Duration, WriteError> {
    let mut writer = Writer::new(target, WriteOptions::default())?;
    let mut times = Vec::with_capacity(TRIAL_NAMES);
    let mut took = || times.push(Instant::now());
    match tree {
        Tree::Diff(layers) => capture_some(layers, TRIAL_NAMES, SMALL, &mut writer, &mut took),
        Tree::Whole(folder) => pack_some(folder, &mut writer, &mut took),
    }
    let of_some = times.chunks_exact(NAMES_AT_ONCE).map(|times| (times[NAMES_AT_ONCE - 1] - times[0]).as_secs_f64());
    let some = Duration::from_secs_f64(median(of_some.collect()).unwrap_or_default());
    Ok(some / (NAMES_AT_ONCE as u32 - 1))
}

/// Of trials some of which took longer, as the machine did something else.
fn median(mut trials: Vec<f64>) -> Option<f64> {
    trials.sort_by(f64::total_cmp);
    trials.get(trials.len() / 2).copied()
}

/// Packs the small ones of the first files below `folder`, as the capture does, and calls `took` behind each. What goes
/// wrong there is for the capture to say.
fn pack_some(folder: &Path, writer: &mut Writer<'_>, took: &mut dyn FnMut()) {
    let mut ignore = |_: &[u8], _| {};
    let options = PackOptions { changes: ChangePolicy::List, sockets: SocketPolicy::Omit, ..PackOptions::default() };
    let mut packer = Packer::new(writer, options, &mut ignore);
    let mut taken = 0;
    let Ok(root) = File::open(folder) else { return };
    let _ = visit_names(&root, &mut |parent, name, _| {
        let is_small = |stat: Stat| (stat.st_size as u64) < SMALL;
        if taken < TRIAL_NAMES && statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(is_small) {
            let _ = packer.pack_one(parent, OsStr::from_bytes(name.to_bytes()), name.to_bytes().to_vec());
            took();
            taken += 1;
        }
    });
}

struct Look<'t> {
    target: &'t File,
    fate: Fate,
    is_nodatacow: bool,
    census: Census,
    links: HashSet<(u64, u64)>,
    /// Some of those that are copied.
    to_copy: Vec<File>,
    /// The one with the most extents, and their number.
    most_ragged: Option<(u64, File)>,
}

impl<'t> Look<'t> {
    fn new(target: &'t File, fate: Fate) -> Self {
        Look {
            target,
            fate,
            is_nodatacow: is_nodatacow(target),
            census: Census::default(),
            links: HashSet::new(),
            to_copy: Vec::new(),
            most_ragged: None,
        }
    }

    fn visit(&mut self, parent: BorrowedFd<'_>, name: &CStr, file_type: FileType) {
        self.census.names += 1;
        if file_type != FileType::RegularFile {
            return;
        }
        let Ok(stat) = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        if stat.st_nlink > 1 && !self.links.insert((stat.st_dev, stat.st_ino)) {
            return;
        }
        if stat.st_size as u64 >= SMALL {
            self.visit_large(parent, name, &stat);
        } else {
            self.visit_small(&stat);
        }
    }

    fn visit_small(&mut self, stat: &Stat) {
        self.census.copied_bytes += disk_bytes(stat);
        if self.fate == Fate::Copied {
            self.census.told_bytes += disk_bytes(stat);
        }
    }

    fn visit_large(&mut self, parent: BorrowedFd<'_>, name: &CStr, stat: &Stat) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOATIME | OFlags::CLOEXEC;
        let Ok(file) = openat(parent, name, flags, Mode::empty()).map(File::from) else { return };
        let cannot_be_cloned = is_nodatacow(&file) != self.is_nodatacow;
        if self.fate == Fate::Copied || cannot_be_cloned {
            self.census.told_bytes += disk_bytes(stat);
            self.census.copied_bytes += disk_bytes(stat);
            self.census.nodatacow_bytes += if self.fate == Fate::Cloned { disk_bytes(stat) } else { 0 };
            if self.to_copy.len() < TRIAL_FILES {
                self.to_copy.push(file);
            }
        } else if stat.st_size as u64 >= RAGGED {
            let mut count = 0;
            let _ = extents(&file, |_| count += 1);
            self.census.extents += count;
            if self.most_ragged.as_ref().is_none_or(|(most, _)| *most < count) {
                self.most_ragged = Some((count, file));
            }
        } else {
            self.census.extents += 1;
        }
    }

    fn rates(&self, name: Duration, headroom: u64) -> io::Result<Rates> {
        let mut rates = Rates { name, extent: self.time_of_extent()?, ..Rates::default() };
        let started = Instant::now();
        let copied = self.copy_some()?;
        rates.byte = copied.timed.of_a_byte();
        if self.census.copied_bytes > headroom {
            self.target.sync_data()?;
            rates.byte_on_disk = Trial { bytes: copied.bytes, elapsed: started.elapsed() }.of_a_byte();
        }
        self.target.set_len(0)?;
        Ok(rates)
    }

    /// Copies the beginning of some files, as the capture does; where all are small, they are written together from
    /// memory.
    fn copy_some(&self) -> io::Result<Copied> {
        let mut copied = Copied::default();
        for file in &self.to_copy {
            let length = file.metadata()?.len().min(TRIAL_BYTES / self.to_copy.len() as u64);
            let run_up = if length >= RUN_UP { Alignment::DEFAULT.align_down(length / 2) } else { 0 };
            self.copy(file, 0..run_up, &mut copied.bytes);
            let started = Instant::now();
            copied.timed.bytes += self.copy(file, run_up..length, &mut copied.bytes);
            copied.timed.elapsed += started.elapsed();
        }
        if copied.bytes == 0 && self.census.copied_bytes > 0 {
            copied.bytes = self.census.copied_bytes.min(TRIAL_BYTES);
            let started = Instant::now();
            self.target.write_all_at(&vec![7; copied.bytes as usize], 0)?;
            copied.timed = Trial { bytes: copied.bytes, elapsed: started.elapsed() };
        }
        Ok(copied)
    }

    /// Copies `range` of `file` to `end` in the target, which moves on; gives the bytes. A file that became shorter
    /// meanwhile is no trial.
    fn copy(&self, file: &File, range: Range<u64>, end: &mut u64) -> u64 {
        let span = Span { source_offset: range.start, target_offset: *end, length: range.end - range.start };
        let moved = transfer(file, self.target, span, Alignment::DEFAULT, ClonePolicy::IfPossible);
        let bytes = moved.map_or(0, |moved| moved.copied_bytes);
        *end += bytes;
        bytes
    }

    /// What one extent costs, of the first of the file that has the most.
    fn time_of_extent(&self) -> io::Result<Duration> {
        let Some((_, file)) = &self.most_ragged else { return Ok(Duration::ZERO) };
        let (mut count, mut end) = (0, 0);
        let _ = extents(file, |extent| {
            if count < TRIAL_EXTENTS {
                (count, end) = (count + 1, extent.offset + extent.length);
            }
        });
        let block = Alignment::of(self.target).unwrap_or(Alignment::DEFAULT);
        let length = block.align_down(end.min(file.metadata()?.len()));
        let span = Span { source_offset: 0, target_offset: 0, length };
        self.target.set_len(0)?;
        let started = Instant::now();
        let cloned = transfer(file, self.target, span, block, ClonePolicy::Required);
        Ok(started.elapsed().checked_div(count).filter(|_| cloned.is_ok()).unwrap_or_default())
    }
}

/// What was copied on trial.
#[derive(Default)]
struct Copied {
    bytes: u64,
    /// The part of it whose time tells something.
    timed: Trial,
}

#[derive(Default)]
struct Trial {
    bytes: u64,
    elapsed: Duration,
}

impl Trial {
    /// In seconds.
    fn of_a_byte(&self) -> f64 {
        if self.bytes > 0 { self.elapsed.as_secs_f64() / self.bytes as f64 } else { 0.0 }
    }
}

fn disk_bytes(stat: &Stat) -> u64 {
    stat.st_blocks as u64 * 512
}

/// Whether `chattr +C` was done to it: BTRFS clones between two such files, or two others (EINVAL, ioctl_ficlone(2)).
fn is_nodatacow(file: &File) -> bool {
    ioctl_getflags(file).is_ok_and(|flags| flags.contains(IFlags::NOCOW))
}

#[cfg(test)]
mod tests {
    use super::super::Estimate;
    use super::*;
    use std::fs;

    #[test]
    fn hard_links_are_copied_once_and_the_target_is_left_empty() {
        let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempfile().unwrap());
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/one"), vec![1; 100_000]).unwrap();
        fs::write(folder.path().join("small"), vec![1; 10_000]).unwrap();
        let look = |folder: &Path| look(Tree::Whole(folder), &target, Fate::Copied, 0).unwrap();
        let (before, rates) = look(folder.path());
        assert_eq!((before.names, before.extents, before.nodatacow_bytes), (3, 0, 0));
        assert!(before.copied_bytes >= 110_000 && before.told_bytes == before.copied_bytes, "{before:?}");
        assert!(rates.byte > 0.0 && rates.byte_on_disk > rates.byte, "{rates:?}");
        fs::hard_link(folder.path().join("below/one"), folder.path().join("two")).unwrap();
        assert_eq!(look(folder.path()).0, Census { names: 4, ..before });
        (0..100).for_each(|number| fs::write(folder.path().join(number.to_string()), "small").unwrap());
        assert!(look(folder.path()).1.name > Duration::ZERO);
        assert_eq!(target.metadata().unwrap().len(), 0);
        assert_eq!(look(Path::new("/no/such/folder")).0, Census::default());
    }

    /// Blocks of two files in turn: as many extents as blocks.
    fn ragged(folder: &Path, blocks: u64) -> (Census, Rates) {
        let elsewhere = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
        let sources = ["one", "two"].map(|name| elsewhere.path().join(name));
        sources.iter().for_each(|path| fs::write(path, vec![7; blocks as usize * 4096]).unwrap());
        let sources = sources.map(|path| File::open(path).unwrap());
        sources.iter().for_each(|source| source.sync_all().unwrap());
        let file = File::create(folder.join("ragged")).unwrap();
        for block in 0..blocks {
            let offset = block * 4096;
            let span = Span { source_offset: offset, target_offset: offset, length: 4096 };
            let source = &sources[block as usize % 2];
            transfer(source, &file, span, Alignment::DEFAULT, ClonePolicy::Required).unwrap();
        }
        let target = tempfile::tempfile_in(folder).unwrap();
        let (census, rates) = look(Tree::Whole(folder), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!(target.metadata().unwrap().len(), 0);
        (census, rates)
    }

    #[test]
    #[ignore = "needs root and loop devices: cargo xtask test"]
    fn privileged_files_in_many_extents_are_told() {
        for place in ["/mnt/btrfs", "/mnt/xfs"] {
            let (census, rates) = ragged(tempfile::tempdir_in(place).unwrap().path(), 20_000);
            assert_eq!((census.extents, census.copied_bytes), (20_000, 0), "{place}");
            let mut estimate = Estimate::default();
            estimate.add("the container", census, &rates, &mut u64::MAX.clone());
            let told = estimate.warning().unwrap();
            assert!(told.contains("20000 extents are cloned") && estimate.time > Duration::ZERO, "{told}");
        }
    }

    #[test]
    #[ignore = "needs root and loop devices: cargo xtask test"]
    fn privileged_btrfs_files_without_copy_on_write_are_copied() {
        let folder = tempfile::tempdir_in("/mnt/btrfs").unwrap();
        let file = File::create(folder.path().join("database")).unwrap();
        rustix::fs::ioctl_setflags(&file, IFlags::NOCOW).unwrap();
        fs::write(folder.path().join("database"), vec![7; 3 << 20]).unwrap();
        file.sync_all().unwrap();
        let target = tempfile::tempfile_in(folder.path()).unwrap();
        let (census, rates) = look(Tree::Whole(folder.path()), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!((census.nodatacow_bytes, census.copied_bytes, census.extents), (3 << 20, 3 << 20, 0));
        assert!(rates.byte > 0.0);
        // Where the target is one as well, the two can share blocks.
        rustix::fs::ioctl_setflags(&target, IFlags::NOCOW).unwrap();
        let (census, _) = look(Tree::Whole(folder.path()), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!((census.copied_bytes, census.extents), (0, 1));
    }
}
