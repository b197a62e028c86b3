//! What the images of a checkpoint say of memory that may come later.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use criu_images::{Image, ImageError, Images, MmEntry, PageMap, PstreeEntry, VmaEntry};

use crate::runs::{Run, Runs, Source};

/// The memory of a checkpoint's processes that may come later, and where it lies.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// What each process waits for, by its ID in the images; nothing is known of zombies.
    tasks: BTreeMap<i32, Runs>,
    processes: usize,
    pages: Vec<Image>,
    /// What of each image of pages does not come later, by the image's name.
    eager: BTreeMap<String, Vec<Range<u64>>>,
}

impl Checkpoint {
    /// Reads `pstree.img`, and `pagemap-PID.img` and `mm-PID.img` of each process in it.
    ///
    /// They are not trusted: sizes and addresses are checked against each other and have limits.
    ///
    /// # Errors
    /// [`ImageError`] names the image and what is wrong with it.
    pub fn read(images: &Images) -> Result<Self, ImageError> {
        let mut checkpoint = Self { tasks: BTreeMap::new(), processes: 0, pages: Vec::new(), eager: BTreeMap::new() };
        for pid in pids(images)? {
            checkpoint.processes += 1;
            let name = format!("pagemap-{pid}.img");
            // A zombie has no memory.
            if images.get(&name).is_some() {
                let vmas = vmas(images, pid)?;
                let runs = checkpoint.runs(images, name, &vmas)?;
                checkpoint.tasks.insert(pid, runs);
            }
        }
        Ok(checkpoint)
    }

    #[cfg(test)]
    pub(crate) fn of_task(pid: i32, waiting: Runs) -> Self {
        Self { tasks: BTreeMap::from([(pid, waiting)]), processes: 1, pages: Vec::new(), eager: BTreeMap::new() }
    }

    /// Bytes that may come later.
    pub fn lazy_bytes(&self) -> u64 {
        self.tasks.values().map(Runs::bytes).sum()
    }

    /// What CRIU itself reads of the image of pages `name` while the rest comes later: ranges of bytes that do not touch
    /// each other. `None` of any other image: CRIU reads all of it.
    ///
    /// CRIU decides by the entry of the page map (CRIU, `restore_priv_vma_content` in criu/mem.c).
    pub fn eager_ranges(&self, name: &str) -> Option<&[Range<u64>]> {
        self.eager.get(name).map(Vec::as_slice)
    }

    /// Processes, zombies among them: so many say something to the server.
    pub(crate) fn processes(&self) -> usize {
        self.processes
    }

    pub(crate) fn task(&self, pid: i32) -> Option<&Runs> {
        self.tasks.get(&pid)
    }

    pub(crate) fn pages(&self) -> &[Image] {
        &self.pages
    }

    fn runs(&mut self, images: &Images, name: String, vmas: &[VmaEntry]) -> Result<Runs, ImageError> {
        let map = PageMap::read(&name, images.find(&name)?)?;
        let pages_name = map.pages_name();
        let image = u32::try_from(self.pages.len()).map_err(|_| ImageError::TooManyProcesses)?;
        let (mut runs, mut needed) = (Runs::default(), 0);
        let eager = self.eager.entry(pages_name.clone()).or_default();
        for pages in map.pages() {
            let pages = pages?;
            let addresses = pages.addresses;
            if pages.may_come_later {
                let not_lazy = |address| ImageError::NotLazy { name: name.clone(), address };
                let offset = pages.offset.ok_or_else(|| not_lazy(addresses.start))?;
                let source = Source { image, offset, wiped_on_fork: false };
                let run = Run { start: addresses.start, end: addresses.end, source };
                insert_by_mapping(&mut runs, run, vmas).map_err(not_lazy)?;
            }
            if let Some(offset) = pages.offset {
                needed = offset + (addresses.end - addresses.start);
                if !pages.may_come_later {
                    extend(eager, offset..needed);
                }
            }
        }
        if !runs.is_empty() {
            let pages = images.find(&pages_name)?;
            if pages.length() < needed {
                return Err(ImageError::Short { name: pages_name, found: pages.length(), expected: needed });
            }
            self.pages.push(pages.clone());
        }
        Ok(runs)
    }
}

/// Adds the parts of `run` in each mapping; gives the first address that is in none, or in one that CRIU does not
/// register.
fn insert_by_mapping(runs: &mut Runs, run: Run, vmas: &[VmaEntry]) -> Result<(), u64> {
    let mut at = run.start;
    let first = vmas.partition_point(|vma| vma.end <= run.start);
    for vma in &vmas[first..] {
        let Some(mut part) = run.cut(&(vma.start..vma.end)).filter(|part| part.start == at && vma.can_be_lazy()) else {
            break;
        };
        part.source.wiped_on_fork = vma.is_wiped_on_fork();
        runs.insert(part);
        at = part.end;
    }
    if at == run.end { Ok(()) } else { Err(at) }
}

/// Adds a range behind the last one.
fn extend(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut().filter(|last| last.end == range.start) {
        Some(last) => last.end = range.end,
        None => ranges.push(range),
    }
}

/// Each of them once: their images would be read, and kept, as often as they are listed.
fn pids(images: &Images) -> Result<BTreeSet<i32>, ImageError> {
    let image = images.messages::<PstreeEntry>("pstree.img")?;
    let mut pids = BTreeSet::new();
    for task in image.iter() {
        let pid = i32::try_from(task?.pid).map_err(|_| ImageError::TooManyProcesses)?;
        if !pids.insert(pid) {
            return Err(ImageError::ProcessTwice { pid });
        }
    }
    Ok(pids)
}

/// The mappings of a process in the order of their addresses.
fn vmas(images: &Images, pid: i32) -> Result<Vec<VmaEntry>, ImageError> {
    let mut vmas = images.message::<MmEntry>(&format!("mm-{pid}.img"))?.vmas;
    vmas.sort_by_key(|vma| vma.start);
    Ok(vmas)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Arc;

    use criu_images::{ImageMessage, PagemapEntry, PagemapHead, framed};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const LAZY: u32 = 0b110;
    const PRESENT: u32 = 0b100;
    const ANONYMOUS: u32 = 0x22;

    fn file(bytes: &[u8]) -> Image {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("room");
        Image::new(Arc::new(file), 0, bytes.len() as u64)
    }

    fn entry(page: u64, pages: u64, flags: u32) -> Vec<u8> {
        let flags = Some(flags);
        PagemapEntry { vaddr: page << 12, compat_nr_pages: 0, in_parent: None, flags, nr_pages: Some(pages) }
            .encode_to_vec()
    }

    fn vma(pages: Range<u64>, flags: u32) -> VmaEntry {
        VmaEntry { start: pages.start << 12, end: pages.end << 12, flags, ..VmaEntry::default() }
    }

    fn images(pagemap: Vec<Vec<u8>>, vmas: Vec<VmaEntry>, pages: u64) -> Images {
        let mut images = Images::default();
        let pstree = [1u32, 5].map(|pid| PstreeEntry { pid, ..PstreeEntry::default() }.encode_to_vec());
        images.insert("pstree.img", file(&framed(PstreeEntry::MAGIC, pstree)));
        let head = PagemapHead { pages_id: 3 }.encode_to_vec();
        images.insert("pagemap-1.img", file(&framed(PageMap::MAGIC, [vec![head], pagemap].concat())));
        images.insert(
            "mm-1.img",
            file(&framed(MmEntry::MAGIC, [MmEntry { vmas, ..MmEntry::default() }.encode_to_vec()])),
        );
        let all = File::open("/dev/zero").expect("there is one");
        images.insert("pages-3.img", Image::new(Arc::new(all), 0, pages << 12));
        images
    }

    #[test]
    fn runs_lie_behind_the_pages_before_them() -> anyhow::Result<()> {
        let entries = vec![
            entry(16, 2, PRESENT),
            entry(18, 3, LAZY),
            entry(30, 7, 1),
            entry(40, 1, LAZY),
            entry(41, 1, PRESENT),
            entry(50, 1, PRESENT),
        ];
        let mut wiped = vma(20..50, ANONYMOUS);
        wiped.madv = Some(1 << 18);
        let checkpoint = Checkpoint::read(&images(entries, vec![wiped, vma(16..20, ANONYMOUS)], 8))?;
        let run = |pages: Range<u64>, offset: u64, wiped_on_fork| Run {
            start: pages.start << 12,
            end: pages.end << 12,
            source: Source { image: 0, offset: offset << 12, wiped_on_fork },
        };
        let runs: Vec<Run> = checkpoint.task(1).expect("it is there").iter().collect();
        assert_eq!(runs, [run(18..20, 2, false), run(20..21, 4, true), run(40..41, 5, true)]);
        assert_eq!(checkpoint.lazy_bytes(), 4 << 12);
        // CRIU reads what lies around the runs; what is the parent's takes no room.
        assert_eq!(checkpoint.eager_ranges("pages-3.img"), Some(&[0..2 << 12, 6 << 12..8 << 12][..]));
        assert_eq!(checkpoint.eager_ranges("pages-1.img"), None);
        assert_eq!(checkpoint.processes(), 2);
        assert!(checkpoint.task(5).is_none());
        Ok(())
    }

    #[test]
    fn entries_of_older_criu_count_in_32_bits() -> anyhow::Result<()> {
        let old =
            PagemapEntry { vaddr: 16 << 12, compat_nr_pages: 2, in_parent: None, flags: Some(LAZY), nr_pages: None };
        let checkpoint = Checkpoint::read(&images(vec![old.encode_to_vec()], vec![vma(0..50, ANONYMOUS)], 2))?;
        assert_eq!(checkpoint.lazy_bytes(), 2 << 12);
        Ok(())
    }

    #[test]
    fn images_that_contradict_each_other_are_refused() {
        let lazily = |flags| images(vec![entry(16, 2, LAZY)], vec![vma(16..18, flags)], 2);
        type IsExpected = fn(&ImageError) -> bool;
        let cases: [(&str, Images, IsExpected); 8] = [
            ("locked", lazily(ANONYMOUS | 0x2000), |error| {
                matches!(error, ImageError::NotLazy { address: 0x10000, .. })
            }),
            ("shared", lazily(0x21), |error| matches!(error, ImageError::NotLazy { .. })),
            ("half mapped", images(vec![entry(16, 2, LAZY)], vec![vma(16..17, ANONYMOUS)], 2), |error| {
                matches!(error, ImageError::NotLazy { address: 0x11000, .. })
            }),
            ("not in this image", images(vec![entry(16, 2, 0b010)], vec![vma(16..18, ANONYMOUS)], 2), |error| {
                matches!(error, ImageError::NotLazy { .. })
            }),
            ("twice", images(vec![entry(16, 2, LAZY), entry(17, 1, LAZY)], vec![vma(16..18, ANONYMOUS)], 3), |error| {
                matches!(error, ImageError::Address { address: 0x11000, .. })
            }),
            (
                "beyond all addresses",
                images(vec![entry(16, u64::MAX / 8, LAZY)], vec![vma(16..18, ANONYMOUS)], 3),
                |error| matches!(error, ImageError::Address { .. }),
            ),
            ("too few pages", images(vec![entry(16, 2, LAZY)], vec![vma(16..18, ANONYMOUS)], 1), |error| {
                matches!(error, ImageError::Short { found: 4096, expected: 8192, .. })
            }),
            ("no tree", Images::default(), |error| matches!(error, ImageError::Missing { .. })),
        ];
        for (name, images, expected) in cases {
            let error = Checkpoint::read(&images).expect_err(name);
            assert!(expected(&error), "{name}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            pstree in prop::collection::vec(any::<u8>(), 0..40),
            pagemap in prop::collection::vec(any::<u8>(), 0..80),
            entries in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..6),
            vmas in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 0..6),
        ) {
            let vmas = vmas.into_iter().map(|(start, end, flags)| {
                VmaEntry { start, end, flags, ..VmaEntry::default() }
            }).collect();
            let entries = entries.into_iter().map(|(page, pages, flags)| entry(page >> 20, pages >> 30, flags)).collect();
            let mut images = images(entries, vmas, 1 << 20);
            let _ = Checkpoint::read(&images);
            images.insert("pagemap-1.img", file(&framed(PageMap::MAGIC, [pagemap])));
            let _ = Checkpoint::read(&images);
            images.insert("pstree.img", file(&pstree));
            prop_assert!(Checkpoint::read(&images).is_err());
        }
    }
}
