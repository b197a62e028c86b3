//! Images of CRIU that say where memory lies: read or refused, within bounds, and never beyond the pages that are there.
//!
//! The input is cut into `pstree.img`, `pagemap-1.img`, and `mm-1.img`; what each begins with is put before it.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use aligntar_fuzz::{Bounded, peak_of};
use criu_pages::{Checkpoint, Image, Images};
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Bytes of pages.
const PAGES: u64 = 64 << 12;

/// `IMG_COMMON_MAGIC`, and those of the three images (CRIU, include/magic.h).
const COMMON: u32 = 0x5456_4319;
const MAGICS: [u32; 3] = [0x5027_3030, 0x5608_4025, 0x5749_2820];

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Vec<u8>)| {
    let (pstree, pagemap, mm) = input;
    let length = pstree.len() + pagemap.len() + mm.len();
    let mut images = Images::default();
    for ((name, magic), bytes) in
        ["pstree.img", "pagemap-1.img", "mm-1.img"].iter().zip(MAGICS).zip([pstree, pagemap, mm])
    {
        images.insert(*name, image(magic, &bytes));
    }
    let zeros = Arc::new(File::open("/dev/zero").expect("there is one"));
    images.insert("pages-1.img", Image::new(zeros, 0, PAGES));
    let (read, peak) = peak_of(|| Checkpoint::read(&images));
    assert!(peak <= 65_536 + 128 * length, "{peak} bytes of memory for {length} of input");
    let Ok(checkpoint) = read else { return };
    assert!(checkpoint.lazy_bytes() <= PAGES, "{} of {PAGES} bytes may come later", checkpoint.lazy_bytes());
    let eager = checkpoint.eager_ranges("pages-1.img").unwrap_or_default();
    assert!(eager.iter().all(|range| range.start < range.end && range.end <= PAGES), "{eager:?}");
    assert!(eager.windows(2).all(|pair| pair[0].end < pair[1].start), "{eager:?}");
});

fn image(magic: u32, messages: &[u8]) -> Image {
    let mut file = tempfile::tempfile().expect("a temporary file");
    let bytes = [&COMMON.to_le_bytes(), &magic.to_le_bytes(), messages].concat();
    file.write_all(&bytes).expect("room for it");
    Image::new(Arc::new(file), 0, bytes.len() as u64)
}
