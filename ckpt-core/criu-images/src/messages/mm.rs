//! A process's mappings, and what else the kernel knows of its memory.

use super::ImageMessage;

/// `mm_entry` of `mm-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "the names of prctl(2), PR_SET_MM_MAP")]
pub struct MmEntry {
    #[prost(uint64, required, tag = "1")]
    pub start_code: u64,
    #[prost(uint64, required, tag = "2")]
    pub end_code: u64,
    #[prost(uint64, required, tag = "3")]
    pub start_data: u64,
    #[prost(uint64, required, tag = "4")]
    pub end_data: u64,
    #[prost(uint64, required, tag = "5")]
    pub start_stack: u64,
    /// Where the heap begins.
    #[prost(uint64, required, tag = "6")]
    pub start_brk: u64,
    /// Where the heap ends.
    #[prost(uint64, required, tag = "7")]
    pub brk: u64,
    #[prost(uint64, required, tag = "8")]
    pub arg_start: u64,
    #[prost(uint64, required, tag = "9")]
    pub arg_end: u64,
    #[prost(uint64, required, tag = "10")]
    pub env_start: u64,
    #[prost(uint64, required, tag = "11")]
    pub env_end: u64,
    /// Of a [`FileEntry`](super::FileEntry).
    #[prost(uint32, required, tag = "12")]
    pub exe_file_id: u32,
    /// Pairs of kind and value, getauxval(3).
    #[prost(uint64, repeated, packed = "false", tag = "13")]
    pub auxv: Vec<u64>,
    /// In the order of their addresses, unless somebody made the image up.
    #[prost(message, repeated, tag = "14")]
    pub vmas: Vec<VmaEntry>,
}

impl ImageMessage for MmEntry {
    const MAGIC: u32 = 0x5749_2820;
    /// A mapping takes some 40 bytes, and `vm.max_map_count` is often a million.
    const MAX_BYTES: u64 = 64 << 20;
    const MAX_MESSAGES: usize = 1;
}

/// `vma_entry`: one mapping.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct VmaEntry {
    /// Its first address.
    #[prost(uint64, required, tag = "1")]
    pub start: u64,
    /// The address behind it.
    #[prost(uint64, required, tag = "2")]
    pub end: u64,
    /// Where in the file or the shared memory it begins, in bytes.
    #[prost(uint64, required, tag = "3")]
    pub pgoff: u64,
    /// Of files, the number of a [`FileEntry`](super::FileEntry); of shared memory, that of `pagemap-shmem-ID.img`.
    #[prost(uint64, required, tag = "4")]
    pub shmid: u64,
    /// `PROT_…` of mmap(2).
    #[prost(uint32, required, tag = "5")]
    pub prot: u32,
    /// `MAP_…` of mmap(2).
    #[prost(uint32, required, tag = "6")]
    pub flags: u32,
    /// `VMA_…`: what it is.
    #[prost(uint32, required, tag = "7")]
    pub status: u32,
    /// Bits of the numbers of `MADV_…` of madvise(2).
    #[prost(uint64, optional, tag = "9")]
    pub madv: Option<u64>,
}

// CRIU, `include/image.h`.
/// The stack of the first thread.
pub const VMA_STACK: u32 = 1 << 1;
/// `[vsyscall]`.
pub const VMA_VSYSCALL: u32 = 1 << 2;
/// `[vdso]`.
pub const VMA_VDSO: u32 = 1 << 3;
/// The heap.
pub const VMA_HEAP: u32 = 1 << 5;
/// A file; what is written is the process's own.
pub const VMA_FILE_PRIVATE: u32 = 1 << 6;
/// A file; what is written is the file's.
pub const VMA_FILE_SHARED: u32 = 1 << 7;
/// Memory that processes share.
pub const VMA_ANON_SHARED: u32 = 1 << 8;
/// Memory of shmat(2).
pub const VMA_SYSVIPC: u32 = 1 << 10;
/// `[vvar]`.
pub const VMA_VVAR: u32 = 1 << 12;
/// Memory of memfd_create(2).
pub const VMA_MEMFD: u32 = 1 << 14;

// linux/mman.h, as on all architectures that CRIU knows but MIPS.
const MAP_PRIVATE: u32 = 0x02;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_LOCKED: u32 = 0x2000;
const MAP_HUGETLB: u32 = 0x4_0000;
const KERNELS_OWN: u32 = VMA_VSYSCALL | VMA_VDSO | VMA_VVAR;
/// `MADV_WIPEONFORK` of madvise(2); a bit of that number in `madv`.
const MADV_WIPEONFORK: u64 = 18;

impl VmaEntry {
    /// Whether CRIU registers it for pages that come later (CRIU, `vma_entry_can_be_lazy`).
    pub fn can_be_lazy(&self) -> bool {
        let needed = MAP_PRIVATE | MAP_ANONYMOUS;
        self.flags & needed == needed && self.flags & (MAP_LOCKED | MAP_HUGETLB) == 0 && self.status & KERNELS_OWN == 0
    }

    /// Whether a child finds zeros there (`MADV_WIPEONFORK`).
    pub fn is_wiped_on_fork(&self) -> bool {
        self.madv() & 1 << MADV_WIPEONFORK != 0
    }
}
