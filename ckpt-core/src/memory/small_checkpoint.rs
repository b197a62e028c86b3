//! Checkpoints of small processes, made up for tests.

use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use criu_images::{
    CoreEntry, FileEntry, Image, ImageMessage, Images, MmEntry, PageMap, PagemapEntry, PagemapHead, PstreeEntry,
    RegFileEntry, TaskCoreEntry, ThreadInfoX86, VMA_ANON_SHARED, VMA_FILE_PRIVATE, VmaEntry, framed,
};
use prost::Message;

use super::opened::Memory;

pub(super) const PAGE: u64 = 4096;
pub(super) const LIBRARY: &str = "/lib/libexample.so";

/// The images of one.
#[derive(Default)]
pub(super) struct Checkpoint {
    images: Images,
    tasks: Vec<u32>,
    maps: u32,
}

impl Checkpoint {
    /// Adds a process with anonymous memory, from page to page, of which `written` has been written to.
    pub(super) fn with(mut self, pid: u32, mappings: &[[u64; 2]], written: &[(u64, Vec<u8>)]) -> Self {
        let vma = |&[first, end]: &[u64; 2]| VmaEntry { prot: 3, flags: 0x22, status: 0x201, ..at(&(first..end)) };
        let vmas: Vec<VmaEntry> = mappings.iter().map(vma).collect();
        self = self.with_vmas(pid, vmas);
        self.add_map(&format!("pagemap-{pid}.img"), written);
        self
    }

    /// The same of any mappings, nothing of which was written to.
    pub(super) fn with_vmas(mut self, pid: u32, vmas: Vec<VmaEntry>) -> Self {
        self.tasks.push(pid);
        let mm = MmEntry { vmas, ..MmEntry::default() };
        self.add(&format!("mm-{pid}.img"), framed(MmEntry::MAGIC, [mm.encode_to_vec()]));
        let task = TaskCoreEntry { state: 1, comm: b"example".to_vec(), ..TaskCoreEntry::default() };
        let x86 = ThreadInfoX86 { gpregs: Some(Default::default()), ..ThreadInfoX86::default() };
        let core = CoreEntry { machine: 1, x86: Some(x86), task: Some(task), ..CoreEntry::default() };
        self.add(&format!("core-{pid}.img"), framed(CoreEntry::MAGIC, [core.encode_to_vec()]));
        self
    }

    /// Adds a page map and its pages: each text is at a byte, and the pages that it is on are written to.
    pub(super) fn add_map(&mut self, name: &str, written: &[(u64, Vec<u8>)]) {
        self.maps += 1;
        let head = PagemapHead { pages_id: self.maps }.encode_to_vec();
        let (mut entries, mut pages) = (vec![head], Vec::new());
        for (address, text) in written {
            let first = address / PAGE;
            let count = (address + text.len() as u64).div_ceil(PAGE) - first;
            let entry = PagemapEntry {
                vaddr: first * PAGE,
                flags: Some(0b100),
                nr_pages: Some(count),
                ..PagemapEntry::default()
            };
            entries.push(entry.encode_to_vec());
            let start = pages.len();
            pages.resize(start + (count * PAGE) as usize, 0);
            pages[start + (address % PAGE) as usize..][..text.len()].copy_from_slice(text);
        }
        self.add(name, framed(PageMap::MAGIC, entries));
        self.add(&format!("pages-{}.img", self.maps), pages);
    }

    pub(super) fn add(&mut self, name: &str, bytes: Vec<u8>) {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&bytes).expect("room");
        self.images.insert(name, Image::new(Arc::new(file), 0, bytes.len() as u64));
    }

    pub(super) fn memory(mut self) -> anyhow::Result<Memory> {
        let task = |&pid: &u32| PstreeEntry { pid, threads: vec![pid], ..PstreeEntry::default() }.encode_to_vec();
        let tasks: Vec<_> = self.tasks.iter().map(task).collect();
        self.add("pstree.img", framed(PstreeEntry::MAGIC, tasks));
        let reg = RegFileEntry { id: 5, name: LIBRARY.into(), ..RegFileEntry::default() };
        let file = FileEntry { kind: 1, id: 5, reg: Some(reg), ..FileEntry::default() };
        self.add("files.img", framed(FileEntry::MAGIC, [file.encode_to_vec()]));
        Ok(Memory::of(self.images, Path::new("example.tar"))?)
    }

    /// Has the image `name` end after so many bytes.
    pub(super) fn cut(mut self, name: &str, length: u64) -> Self {
        let zeros = File::open("/dev/zero").expect("there is one");
        self.images.insert(name, Image::new(Arc::new(zeros), 0, length));
        self
    }
}

fn at(pages: &Range<u64>) -> VmaEntry {
    VmaEntry { start: pages.start * PAGE, end: pages.end * PAGE, ..VmaEntry::default() }
}

/// A private mapping of [`LIBRARY`].
pub(super) fn of_file(pages: Range<u64>) -> VmaEntry {
    VmaEntry { prot: 5, flags: 2, status: VMA_FILE_PRIVATE | 1, shmid: 5, ..at(&pages) }
}

/// A mapping of shared memory from a page of it on.
pub(super) fn of_shared_memory(pages: Range<u64>, id: u64, from: u64) -> VmaEntry {
    VmaEntry { prot: 3, flags: 1, status: VMA_ANON_SHARED | 1, shmid: id, pgoff: from * PAGE, ..at(&pages) }
}
