//! Which pages are in an image of pages.

/// `pagemap_head`, the first of `pagemap-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PagemapHead {
    /// The pages lie in `pages-ID.img`.
    #[prost(uint32, required, tag = "1")]
    pub pages_id: u32,
}

/// `pagemap_entry`, all others of `pagemap-PID.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PagemapEntry {
    /// The first page's address.
    #[prost(uint64, required, tag = "1")]
    pub vaddr: u64,
    /// How many pages; of CRIU before 4.1.
    #[prost(uint32, required, tag = "2")]
    pub compat_nr_pages: u32,
    /// Whether they are in an earlier dump; of CRIU without `flags`.
    #[prost(bool, optional, tag = "3")]
    pub in_parent: Option<bool>,
    /// Bits of CRIU's `include/pagemap.h`.
    #[prost(uint32, optional, tag = "4")]
    pub flags: Option<u32>,
    /// Since CRIU 4.1; `compat_nr_pages` before.
    #[prost(uint64, optional, tag = "5")]
    pub nr_pages: Option<u64>,
}

/// The pages are in an earlier image (CRIU, `include/pagemap.h`).
const PE_PARENT: u32 = 1;
/// The pages may come later.
const PE_LAZY: u32 = 1 << 1;
/// The pages are in `pages-ID.img`.
const PE_PRESENT: u32 = 1 << 2;

impl PagemapEntry {
    /// How many pages.
    pub fn pages(&self) -> u64 {
        self.nr_pages.unwrap_or(self.compat_nr_pages.into())
    }

    /// Whether CRIU may leave them to a server.
    pub fn is_lazy(&self) -> bool {
        self.flags() & PE_LAZY != 0
    }

    /// Whether its pages take room in `pages-ID.img`. CRIU reads what is not the parent's from there.
    pub fn is_in_pages_image(&self) -> bool {
        let is_parents = self.in_parent() || self.flags() & PE_PARENT != 0;
        !is_parents && self.flags.is_none_or(|flags| flags & PE_PRESENT != 0)
    }
}
