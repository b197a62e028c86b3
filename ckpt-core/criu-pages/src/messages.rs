//! CRIU's messages, as far as they are needed here (CRIU, `images/*.proto`; tags and types are those of 4.1 and 4.2).

/// `pstree_entry` of `pstree.img`: one for each process.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PstreeEntry {
    #[prost(uint32, required, tag = "1")]
    pub(crate) pid: u32,
}

/// `pagemap_head`, the first of `pagemap-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PagemapHead {
    /// The pages lie in `pages-ID.img`.
    #[prost(uint32, required, tag = "1")]
    pub(crate) pages_id: u32,
}

/// `pagemap_entry`, all others of `pagemap-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PagemapEntry {
    #[prost(uint64, required, tag = "1")]
    pub(crate) vaddr: u64,
    #[prost(uint32, required, tag = "2")]
    pub(crate) compat_nr_pages: u32,
    #[prost(bool, optional, tag = "3")]
    pub(crate) in_parent: Option<bool>,
    #[prost(uint32, optional, tag = "4")]
    pub(crate) flags: Option<u32>,
    /// Since CRIU 4.1; `compat_nr_pages` before.
    #[prost(uint64, optional, tag = "5")]
    pub(crate) nr_pages: Option<u64>,
}

/// The pages are in an earlier image (CRIU, `include/pagemap.h`).
const PE_PARENT: u32 = 1;
/// The pages may come later.
const PE_LAZY: u32 = 1 << 1;
/// The pages are in `pages-ID.img`.
const PE_PRESENT: u32 = 1 << 2;

impl PagemapEntry {
    pub(crate) fn pages(&self) -> u64 {
        self.nr_pages.unwrap_or(self.compat_nr_pages.into())
    }

    pub(crate) fn is_lazy(&self) -> bool {
        self.flags() & PE_LAZY != 0
    }

    /// Whether its pages take room in `pages-ID.img`. CRIU reads what is not the parent's from there.
    pub(crate) fn is_in_pages_image(&self) -> bool {
        let is_parents = self.in_parent() || self.flags() & PE_PARENT != 0;
        !is_parents && self.flags.is_none_or(|flags| flags & PE_PRESENT != 0)
    }
}

/// `vma_entry`: one mapping.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VmaEntry {
    #[prost(uint64, required, tag = "1")]
    pub(crate) start: u64,
    #[prost(uint64, required, tag = "2")]
    pub(crate) end: u64,
    #[prost(uint32, required, tag = "6")]
    pub(crate) flags: u32,
    #[prost(uint32, required, tag = "7")]
    pub(crate) status: u32,
    #[prost(uint64, optional, tag = "9")]
    pub(crate) madv: Option<u64>,
}

// linux/mman.h, as on all architectures that CRIU knows but MIPS.
const MAP_PRIVATE: u32 = 0x02;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_LOCKED: u32 = 0x2000;
const MAP_HUGETLB: u32 = 0x4_0000;
/// `VMA_AREA_VSYSCALL`, `VMA_AREA_VDSO`, `VMA_AREA_VVAR` (CRIU, `include/image.h`).
const KERNELS_OWN: u32 = 1 << 2 | 1 << 3 | 1 << 12;
/// `MADV_WIPEONFORK` of madvise(2); a bit of that number in `madv`.
const MADV_WIPEONFORK: u64 = 18;

impl VmaEntry {
    /// Whether CRIU registers it for pages that come later (CRIU, `vma_entry_can_be_lazy`).
    pub(crate) fn can_be_lazy(&self) -> bool {
        let needed = MAP_PRIVATE | MAP_ANONYMOUS;
        self.flags & needed == needed && self.flags & (MAP_LOCKED | MAP_HUGETLB) == 0 && self.status & KERNELS_OWN == 0
    }

    pub(crate) fn is_wiped_on_fork(&self) -> bool {
        self.madv() & 1 << MADV_WIPEONFORK != 0
    }
}

/// `mm_entry` of `mm-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MmEntry {
    #[prost(message, repeated, tag = "14")]
    pub(crate) vmas: Vec<VmaEntry>,
}
