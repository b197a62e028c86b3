//! The memory of a process: how much the images hold of it, what it is, and the words in it.

use std::collections::BTreeMap;

use criu_images::{
    Image, ImageError, Images, MmEntry, PageMap, VMA_ANON_SHARED, VMA_FILE_PRIVATE, VMA_FILE_SHARED, VMA_HEAP,
    VMA_MEMFD, VMA_STACK, VMA_SYSVIPC, VmaEntry,
};

use super::files::Files;
use super::optional::present;
use crate::host::byte_string::ByteString;
use crate::inside::error::InsideError;
use crate::inside::process::{MappedKind, Memory, MemoryKind};

/// Arguments and environment together have no more bytes: `MAX_ARG_STRINGS` apart, a quarter of the stack's limit, 8 MiB
/// by default, and 6 MiB at most (linux/fs/exec.c, `bprm_stack_limits`).
const MAX_WORDS: u64 = 6 << 20;

/// The pages of a process in the images.
pub(super) struct Pages<'i> {
    map: Option<PageMap>,
    image: Option<&'i Image>,
}

impl<'i> Pages<'i> {
    pub(super) fn read(images: &'i Images, pid: u32) -> Result<Self, InsideError> {
        let name = format!("pagemap-{pid}.img");
        let map = match images.find(&name).and_then(|image| PageMap::read(&name, image)) {
            Ok(map) => Some(map),
            Err(error) => {
                present(error)?;
                None
            }
        };
        let image = map.as_ref().and_then(|map| images.find(&map.pages_name()).ok());
        Ok(Pages { map, image })
    }

    /// What the process has at `start..end`; none where the images do not have all of it.
    fn bytes(&self, start: u64, end: u64) -> Result<Option<Vec<u8>>, ImageError> {
        let Some(length) = end.checked_sub(start).filter(|length| *length <= MAX_WORDS) else { return Ok(None) };
        let (Some(map), Some(image)) = (&self.map, self.image) else { return Ok(None) };
        let mut bytes = vec![0; length as usize];
        let mut at = start;
        for pages in map.pages() {
            let pages = pages?;
            if pages.addresses.end <= at {
                continue;
            }
            if at >= end || pages.addresses.start > at {
                break;
            }
            let Some(offset) = pages.offset else { return Ok(None) };
            let piece_end = pages.addresses.end.min(end);
            let place = &mut bytes[(at - start) as usize..(piece_end - start) as usize];
            if image.read_at(place, offset + (at - pages.addresses.start)).is_err() {
                return Ok(None);
            }
            at = piece_end;
        }
        Ok((at >= end).then_some(bytes))
    }

    /// The words between these addresses, each of which ends with a zero byte.
    pub(super) fn words(&self, start: u64, end: u64) -> Result<Option<Vec<ByteString>>, InsideError> {
        let Some(bytes) = self.bytes(start, end)? else { return Ok(None) };
        Ok(Some(words(&bytes)))
    }

    /// How much there is, by what it is for.
    pub(super) fn memory(&self, mm: &MmEntry, files: &Files) -> Result<Memory, InsideError> {
        let vmas = apart(&mm.vmas);
        let mapped_bytes = vmas.iter().fold(0, |sum: u64, vma| sum.saturating_add(vma.end - vma.start));
        let mut by_vma: BTreeMap<usize, u64> = BTreeMap::new();
        let mut resident_bytes = 0;
        if let Some(map) = &self.map {
            for pages in map.pages() {
                let pages = pages?;
                if pages.offset.is_none() {
                    continue;
                }
                resident_bytes += pages.addresses.end - pages.addresses.start;
                share_out(&vmas, pages.addresses, &mut by_vma);
            }
        }
        let mut kinds: BTreeMap<MappedKind, u64> = BTreeMap::new();
        for (number, bytes) in by_vma {
            *kinds.entry(kind(vmas[number], files)).or_default() += bytes;
        }
        let mut kinds: Vec<MemoryKind> =
            kinds.into_iter().map(|(kind, resident_bytes)| MemoryKind { kind, resident_bytes }).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.resident_bytes));
        Ok(Memory { mapped_bytes, resident_bytes, kinds })
    }
}

/// Mappings in the order of their addresses. One that begins within another cannot be, and would be looked at for all pages
/// of that one: it is left out.
fn apart(vmas: &[VmaEntry]) -> Vec<&VmaEntry> {
    let mut vmas: Vec<&VmaEntry> = vmas.iter().filter(|vma| vma.start < vma.end).collect();
    vmas.sort_by_key(|vma| vma.start);
    let mut end = 0;
    vmas.retain(|vma| {
        let is_apart = vma.start >= end;
        end = end.max(vma.end);
        is_apart
    });
    vmas
}

/// Adds to each mapping what it has of `pages`.
fn share_out(vmas: &[&VmaEntry], pages: std::ops::Range<u64>, by_vma: &mut BTreeMap<usize, u64>) {
    let first = vmas.partition_point(|vma| vma.end <= pages.start);
    for (number, vma) in vmas.iter().enumerate().skip(first).take_while(|(_, vma)| vma.start < pages.end) {
        let (start, end) = (vma.start.max(pages.start), vma.end.min(pages.end));
        *by_vma.entry(number).or_default() += end.saturating_sub(start);
    }
}

fn kind(vma: &VmaEntry, files: &Files) -> MappedKind {
    let is = |bits: u32| vma.status & bits != 0;
    let id = u32::try_from(vma.shmid).ok();
    match id.and_then(|id| files.path(id)) {
        _ if is(VMA_HEAP) => MappedKind::Heap,
        _ if is(VMA_STACK) => MappedKind::Stack,
        Some(path) if is(VMA_FILE_PRIVATE | VMA_FILE_SHARED) => MappedKind::File { path },
        _ if is(VMA_ANON_SHARED | VMA_SYSVIPC | VMA_MEMFD | VMA_FILE_SHARED) => MappedKind::Shared,
        _ => MappedKind::Anonymous,
    }
}

fn words(bytes: &[u8]) -> Vec<ByteString> {
    // Programs that rename themselves fill the rest with zeros.
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let last = bytes[end..].len().min(1);
    let bytes = &bytes[..end + last];
    if bytes.is_empty() {
        return Vec::new();
    }
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|&byte| byte == 0).map(ByteString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_with_a_zero_byte_each() {
        let words = |bytes: &[u8]| words(bytes).into_iter().map(|word| word.0).collect::<Vec<_>>();
        assert_eq!(words(b"sh\0-c\0\0x\xff\0"), [&b"sh"[..], b"-c", b"", b"x\xff"]);
        assert_eq!(words(b"nginx: worker\0\0\0\0"), [b"nginx: worker"]);
        assert_eq!(words(b"no end"), [b"no end"]);
        assert_eq!((words(b"").len(), words(b"\0\0").len()), (0, 1));
    }

    #[test]
    fn pages_count_for_the_mappings_that_they_are_in() {
        let vma = |start, end| VmaEntry { start, end, ..Default::default() };
        let (a, b, c) = (vma(0x1000, 0x3000), vma(0x3000, 0x5000), vma(0x9000, 0xa000));
        let mut shares = BTreeMap::new();
        share_out(&[&a, &b, &c], 0x2000..0x6000, &mut shares);
        assert_eq!(shares, BTreeMap::from([(0, 0x1000), (1, 0x2000)]));
        let vmas = [c, vma(0x2000, 0x9000), a, vma(0x8000, 0x9000), vma(0x5000, 0x5000)];
        assert_eq!(apart(&vmas), [&a, &c]);
    }
}
