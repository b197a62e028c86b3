//! Which pages a page map has, and where their bytes lie: `pagemap-PID.img`, and `pagemap-shmem-ID.img` of shared memory.

use std::ops::Range;

use rustix::param::page_size;

use crate::framing::Messages;
use crate::image::Image;
use crate::image_error::ImageError;
use crate::messages::{PagemapEntry, PagemapHead};

/// Bytes of a `pagemap-PID.img`. An entry has 20 bytes or so: these are three million.
const MAX_IMAGE: u64 = 64 << 20;
/// No process has addresses above (x86-64 and ARM64 with the largest page tables).
const MAX_ADDRESS: u64 = 1 << 57;

/// A page map of CRIU.
#[derive(Clone, Debug)]
pub struct PageMap {
    name: String,
    bytes: Vec<u8>,
    pages_id: u32,
    /// Where the entries begin.
    entries: usize,
}

/// Pages one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Where the process has them; in shared memory, counted from its beginning.
    pub addresses: Range<u64>,
    /// Where their bytes begin in the image of pages; `None` if they are in that of an earlier dump.
    pub offset: Option<u64>,
    /// Whether CRIU may leave them to a server.
    pub may_come_later: bool,
}

impl PageMap {
    /// The second number of such an image (CRIU, `include/magic.h`).
    pub const MAGIC: u32 = 0x5608_4025;

    /// Reads the page map that `image` is; errors call it `name`.
    ///
    /// # Errors
    /// [`ImageError`], if it is none or larger than any.
    pub fn read(name: &str, image: &Image) -> Result<Self, ImageError> {
        let read_error = |source| ImageError::Read { name: name.into(), source };
        let bytes = image.read_all(MAX_IMAGE).map_err(read_error)?;
        let framing = |source| ImageError::Framing { name: name.into(), source };
        let mut messages = Messages::new(&bytes, Self::MAGIC).map_err(framing)?;
        let head = messages.next_message::<PagemapHead>().map_err(framing)?;
        let PagemapHead { pages_id } = head.ok_or_else(|| ImageError::Empty { name: name.into() })?;
        let entries = messages.at();
        Ok(Self { name: name.into(), bytes, pages_id, entries })
    }

    /// The name of the image with the pages.
    pub fn pages_name(&self) -> String {
        format!("pages-{}.img", self.pages_id)
    }

    /// The pages in the order of their addresses, none twice; nothing comes behind an error.
    pub fn pages(&self) -> impl Iterator<Item = Result<Pages, ImageError>> {
        let mut messages = Messages::from(&self.bytes, self.entries);
        let (mut last_end, mut offset, mut failed) = (0, 0, false);
        std::iter::from_fn(move || {
            let pages = if failed { None } else { self.next(&mut messages, &mut last_end, &mut offset).transpose() };
            failed = matches!(pages, Some(Err(_)));
            pages
        })
    }

    /// Those of the next entry, behind `last_end` and at `offset`.
    fn next(
        &self,
        messages: &mut Messages<'_>,
        last_end: &mut u64,
        offset: &mut u64,
    ) -> Result<Option<Pages>, ImageError> {
        let entry = messages.next_message::<PagemapEntry>();
        let entry = entry.map_err(|source| ImageError::Framing { name: self.name.clone(), source })?;
        let Some(entry) = entry else { return Ok(None) };
        let addresses = addresses(&entry).filter(|addresses| addresses.start >= *last_end);
        let addresses = addresses.ok_or_else(|| ImageError::Address {
            name: self.name.clone(),
            address: entry.vaddr,
            pages: entry.pages(),
        })?;
        *last_end = addresses.end;
        let here = entry.is_in_pages_image().then_some(*offset);
        if here.is_some() {
            *offset += addresses.end - addresses.start;
        }
        Ok(Some(Pages { addresses, offset: here, may_come_later: entry.is_lazy() }))
    }
}

/// The addresses of an entry, if they can be.
fn addresses(entry: &PagemapEntry) -> Option<Range<u64>> {
    let page = page_size() as u64;
    let end = entry.pages().checked_mul(page)?.checked_add(entry.vaddr)?;
    (entry.vaddr.is_multiple_of(page) && end <= MAX_ADDRESS).then_some(entry.vaddr..end)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use prost::Message;

    use super::*;
    use crate::framing::framed;

    fn map(entries: &[(u64, u64, u32)]) -> anyhow::Result<PageMap> {
        let head = PagemapHead { pages_id: 7 }.encode_to_vec();
        let entries = entries.iter().map(|&(page, pages, flags)| {
            let (vaddr, flags, nr_pages) = (page << 12, Some(flags), Some(pages));
            PagemapEntry { vaddr, compat_nr_pages: 0, in_parent: None, flags, nr_pages }.encode_to_vec()
        });
        let bytes = framed(PageMap::MAGIC, [head].into_iter().chain(entries));
        let mut file = tempfile::tempfile()?;
        file.write_all(&bytes)?;
        Ok(PageMap::read("pagemap-1.img", &Image::new(Arc::new(file), 0, bytes.len() as u64))?)
    }

    #[test]
    fn pages_lie_one_behind_the_other_but_for_those_of_an_earlier_dump() -> anyhow::Result<()> {
        let map = map(&[(16, 2, 0b100), (18, 3, 0b110), (30, 7, 0b001), (40, 1, 0b100)])?;
        assert_eq!(map.pages_name(), "pages-7.img");
        let pages = |first: u64, end: u64, offset: Option<u64>, may_come_later| Pages {
            addresses: first << 12..end << 12,
            offset: offset.map(|offset| offset << 12),
            may_come_later,
        };
        let expected = [
            pages(16, 18, Some(0), false),
            pages(18, 21, Some(2), true),
            pages(30, 37, None, false),
            pages(40, 41, Some(5), false),
        ];
        assert_eq!(map.pages().collect::<Result<Vec<_>, _>>()?, expected);
        Ok(())
    }

    #[test]
    fn nothing_comes_behind_what_cannot_be() -> anyhow::Result<()> {
        let map = map(&[(16, 2, 0b100), (17, 1, 0b100), (40, 1, 0b100)])?;
        let all: Vec<_> = map.pages().collect();
        assert!(matches!(&all[..], [Ok(_), Err(ImageError::Address { address: 0x11000, .. })]), "{all:?}");
        Ok(())
    }
}
