//! A mapping, as `/proc/PID/maps` shows it.

use std::ops::Range;

use criu_images::{
    MmEntry, VMA_ANON_SHARED, VMA_FILE_PRIVATE, VMA_FILE_SHARED, VMA_HEAP, VMA_MEMFD, VMA_SYSVIPC, VMA_VDSO,
    VMA_VSYSCALL, VMA_VVAR, VmaEntry,
};

use super::names::Names;

/// `MAP_SHARED`, linux/mman.h.
const MAP_SHARED: u32 = 1;
/// `PROT_…`, linux/mman.h, and their letters.
const PROTECTIONS: [(u32, char); 3] = [(1, 'r'), (2, 'w'), (4, 'x')];

/// A mapping of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its addresses.
    pub addresses: Range<u64>,
    /// As in `/proc/PID/maps`: `rwxp`, with `-` for what it does not allow, and `s` of shared memory.
    pub permissions: String,
    /// Where in its file or shared memory it begins, in bytes.
    pub file_offset: u64,
    /// What it is.
    pub kind: Kind,
    /// Bytes of it that are in the archive's images.
    pub present_bytes: u64,
    /// Bytes of it that are in the archive of an earlier checkpoint.
    pub earlier_bytes: u64,
}

/// What a mapping is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file: its path in the container; none if CRIU does not say.
    File(Option<Vec<u8>>),
    /// The heap.
    Heap,
    /// The first thread's stack.
    Stack,
    /// Memory that belongs to no file.
    Anonymous,
    /// Memory that processes share and that is no file: its name in memfd_create(2), if it has one.
    Shared(Option<Vec<u8>>),
    /// The kernel's, with its name there.
    Kernel(&'static str),
}

impl Kind {
    pub(super) fn of(vma: &VmaEntry, mm: &MmEntry, names: &Names) -> Self {
        let is = |status: u32| vma.status & status != 0;
        if is(VMA_VSYSCALL) {
            Kind::Kernel("[vsyscall]")
        } else if is(VMA_VDSO) {
            Kind::Kernel("[vdso]")
        } else if is(VMA_VVAR) {
            Kind::Kernel("[vvar]")
        } else if is(VMA_MEMFD) {
            Kind::Shared(names.memfd(vma.shmid).map(|memfd| memfd.name.clone()))
        } else if is(VMA_ANON_SHARED | VMA_SYSVIPC) {
            Kind::Shared(None)
        } else if is(VMA_FILE_PRIVATE | VMA_FILE_SHARED) {
            Kind::File(names.file(vma.shmid).map(<[u8]>::to_vec))
        } else if is(VMA_HEAP) {
            Kind::Heap
        } else if (vma.start..vma.end).contains(&mm.start_stack) {
            Kind::Stack
        } else {
            Kind::Anonymous
        }
    }

    /// What `/proc/PID/maps` calls it; of shared memory and files without a name, something like it.
    pub fn name(&self) -> &[u8] {
        match self {
            Kind::File(Some(path)) => path,
            Kind::File(None) => b"[file]",
            Kind::Heap => b"[heap]",
            Kind::Stack => b"[stack]",
            Kind::Anonymous => b"",
            Kind::Shared(Some(name)) if !name.is_empty() => name,
            Kind::Shared(_) => b"[shared]",
            Kind::Kernel(name) => name.as_bytes(),
        }
    }
}

/// The one of `mappings`, which rise, that an address is in.
pub(super) fn mapping_at(mappings: &[Mapping], address: u64) -> Option<&Mapping> {
    let at = mappings.partition_point(|mapping| mapping.addresses.end <= address);
    mappings.get(at).filter(|mapping| mapping.addresses.contains(&address))
}

/// As in `/proc/PID/maps`.
pub(super) fn permissions(vma: &VmaEntry) -> String {
    let letter = |(bit, letter): (u32, char)| if vma.prot & bit != 0 { letter } else { '-' };
    let shared = if is_shared(vma) { 's' } else { 'p' };
    PROTECTIONS.into_iter().map(letter).chain([shared]).collect()
}

pub(super) fn is_shared(vma: &VmaEntry) -> bool {
    vma.flags & MAP_SHARED != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_those_of_proc() {
        let of = |prot, flags| permissions(&VmaEntry { prot, flags, ..VmaEntry::default() });
        assert_eq!([of(0, 0x22), of(5, 2), of(3, 1), of(7, 2)], ["---p", "r-xp", "rw-s", "rwxp"]);
    }

    #[test]
    fn the_stack_is_where_it_began() {
        let mm = MmEntry { start_stack: 0x7000, ..MmEntry::default() };
        let vma = |start, end| VmaEntry { start, end, flags: 0x22, status: 0x201, ..VmaEntry::default() };
        let kinds =
            [(0x6000, 0x8000), (0x8000, 0x9000)].map(|(from, to)| Kind::of(&vma(from, to), &mm, &Names::default()));
        assert_eq!(kinds, [Kind::Stack, Kind::Anonymous]);
    }
}
