//! How fast a part of a tree is taken now, while the container still runs.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use aligntar::{
    Alignment, ChangePolicy, ClonePolicy, PackOptions, Packer, SocketPolicy, Span, WriteError, WriteOptions, Writer,
    extents, transfer, visit_names,
};
use layerfs::Layers;
use rustix::fs::{AtFlags, Stat, statat};

use super::census::{Census, Count, SMALL};
use crate::rootfs::capture_some;

/// Names, bytes and extents that are taken on trial; with the files of [`Count`] some 0.1 s altogether.
const TRIAL_NAMES: usize = 500;
const TRIAL_BYTES: u64 = 32 << 20;
const TRIAL_EXTENTS: u32 = 2000;

/// Of a piece from this size on, only the second half is timed: the kernel reads ahead by then, as it does in the rest of
/// a large file.
const RUN_UP: u64 = 1 << 20;

/// Names that are timed together; fewer take no time.
const NAMES_AT_ONCE: usize = 20;

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

impl Rates {
    /// Time to take all that `census` counts, of which `headroom` bytes need not wait for the disk; takes from that what it
    /// uses.
    pub(super) fn time(&self, census: &Census, headroom: &mut u64) -> Duration {
        let in_memory = census.copied_bytes.min(*headroom);
        *headroom -= in_memory;
        let on_disk = census.copied_bytes - in_memory;
        let bytes = in_memory as f64 * self.byte + on_disk as f64 * self.byte_on_disk.max(self.byte);
        self.name.mul_f64(census.names as f64)
            + self.extent.mul_f64(census.extents as f64)
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
    pub(super) fn root(&self) -> &Path {
        match self {
            Tree::Diff(layers) => &layers.upperdir,
            Tree::Whole(folder) => folder,
        }
    }
}

/// Takes some of the `tree` into `target`, which is cut to nothing again; `count` has counted it.
pub(super) fn rates(tree: Tree<'_>, count: &Count, target: &File, headroom: u64) -> io::Result<Rates> {
    let trial = Trials { count, target };
    let name = time_of_name(tree, target).unwrap_or_default();
    let mut rates = Rates { name, extent: trial.time_of_extent()?, ..Rates::default() };
    let started = Instant::now();
    let copied = trial.copy_some()?;
    rates.byte = copied.timed.of_a_byte();
    if count.census.copied_bytes > headroom {
        target.sync_data()?;
        rates.byte_on_disk = Trial { bytes: copied.bytes, elapsed: started.elapsed() }.of_a_byte();
    }
    target.set_len(0)?;
    Ok(rates)
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

/// Trials with files of a counted tree.
struct Trials<'t> {
    count: &'t Count,
    target: &'t File,
}

impl Trials<'_> {
    /// Copies the beginning of some files, as the capture does; where all are small, they are written together from
    /// memory.
    fn copy_some(&self) -> io::Result<Copied> {
        let mut copied = Copied::default();
        for file in &self.count.to_copy {
            let length = file.metadata()?.len().min(TRIAL_BYTES / self.count.to_copy.len() as u64);
            let run_up = if length >= RUN_UP { Alignment::DEFAULT.align_down(length / 2) } else { 0 };
            self.copy(file, 0..run_up, &mut copied.bytes);
            let started = Instant::now();
            copied.timed.bytes += self.copy(file, run_up..length, &mut copied.bytes);
            copied.timed.elapsed += started.elapsed();
        }
        if copied.bytes == 0 && self.count.census.copied_bytes > 0 {
            copied.bytes = self.count.census.copied_bytes.min(TRIAL_BYTES);
            let started = Instant::now();
            match self.target.write_all_at(&vec![7; copied.bytes as usize], 0) {
                // Whether there is room for all is another question.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(Copied::default()),
                written => written?,
            }
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
        let Some((_, file)) = &self.count.most_ragged else { return Ok(Duration::ZERO) };
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
