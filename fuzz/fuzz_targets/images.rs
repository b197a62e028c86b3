//! Images of CRIU of any bytes: read or refused, in bounded memory.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use aligntar_fuzz::{Bounded, peak_of};
use criu_images::{
    CoreEntry, FdinfoEntry, FileEntry, FsEntry, Image, ImageMessage, Images, MemfdInodeEntry, MmEntry, MntEntry,
    PageMap, PstreeEntry, RemapFilePathEntry, StatsEntry, TaskKobjIdsEntry, TtyInfoEntry, UtsnsEntry, framed,
};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

const NAME: &str = "an-image.img";

// The first byte says of which kind the image is; the others are its messages with their lengths.
fuzz_target!(|input: &[u8]| {
    let Some((kind, messages)) = input.split_first() else { return };
    // Statistics have other numbers in front.
    let _ = StatsEntry::read(&[&StatsEntry::default().framed()[..8], messages].concat());
    let read = [
        pages,
        all::<PstreeEntry>,
        all::<CoreEntry>,
        all::<MmEntry>,
        all::<FileEntry>,
        all::<MemfdInodeEntry>,
        all::<FdinfoEntry>,
        all::<FsEntry>,
        all::<RemapFilePathEntry>,
        all::<TtyInfoEntry>,
        all::<MntEntry>,
        all::<UtsnsEntry>,
        all::<TaskKobjIdsEntry>,
    ];
    let magic = [
        PageMap::MAGIC,
        PstreeEntry::MAGIC,
        CoreEntry::MAGIC,
        MmEntry::MAGIC,
        FileEntry::MAGIC,
        MemfdInodeEntry::MAGIC,
        FdinfoEntry::MAGIC,
        FsEntry::MAGIC,
        RemapFilePathEntry::MAGIC,
        TtyInfoEntry::MAGIC,
        MntEntry::MAGIC,
        UtsnsEntry::MAGIC,
        TaskKobjIdsEntry::MAGIC,
    ];
    let kind = usize::from(*kind) % read.len();
    let mut file = File::from(memfd_create("image", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&[&framed(magic[kind], []), messages].concat()).unwrap();
    let image = Image::new(Arc::new(file), 0, 8 + messages.len() as u64);
    let ((), peak) = peak_of(|| read[kind](&image));
    // An empty mapping takes two bytes, and a hundred in memory; a vector that grows has twice the room at times.
    assert!(peak <= 4096 + 160 * input.len(), "{peak} bytes of memory for {} of input", input.len());
});

fn all<M: ImageMessage>(image: &Image) {
    let mut images = Images::default();
    images.insert(NAME, image.clone());
    let messages = images.messages::<M>(NAME).expect("its magic is right");
    let read = messages.iter().filter(Result::is_ok).count() as u64;
    assert!(read * 4 <= image.length(), "each message has a length");
}

fn pages(image: &Image) {
    let Ok(map) = PageMap::read(NAME, image) else { return };
    let (mut address, mut offset) = (0, 0);
    for pages in map.pages().map_while(Result::ok) {
        assert!(pages.addresses.start >= address && pages.addresses.end >= pages.addresses.start);
        address = pages.addresses.end;
        if let Some(here) = pages.offset {
            assert_eq!(here, offset);
            offset += pages.addresses.end - pages.addresses.start;
        }
    }
}
