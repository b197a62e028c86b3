//! Archives of any bytes, unpacked: nothing outside the target folder changes, whatever comes of it.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use aligntar::{PlainParents, Reader, Resolver, ShownName, UnpackError, UnpackObserver, UnpackOptions, Unpacker};
use aligntar_fuzz::{Bounded, Outside, with_valid_checksums};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fuzz_target!(|archive: &[u8]| {
    let outside = Outside::new();
    let archive = with_valid_checksums(&outside.with_absolute_paths(archive));
    let mut file = File::from(memfd_create("archive", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&archive).unwrap();
    // Either by the input, so that it breaks again as it did.
    let resolver = [Resolver::Openat2, Resolver::Components][archive.len() / 512 % 2];
    unpack(&file, &outside, resolver);
    outside.assert_untouched();
});

/// A member that is refused does not keep the others from being tried.
struct GoOn;

impl UnpackObserver for GoOn {
    fn failed(&mut self, _error: UnpackError) -> Result<(), UnpackError> {
        Ok(())
    }

    fn followed(&mut self, _link: ShownName, _target: ShownName) {}
}

fn unpack(archive: &File, outside: &Outside, resolver: Resolver) {
    let target = File::open(outside.target()).unwrap();
    let (mut parents, mut observer) = (PlainParents, GoOn);
    let options = UnpackOptions { resolver, ..UnpackOptions::default() };
    let mut unpacker = Unpacker::with_observer(target.as_fd(), options, &mut parents, &mut observer).unwrap();
    let mut reader = Reader::open(archive).unwrap();
    while let Ok(Some(entry)) = reader.next_entry() {
        unpacker.unpack(&entry, reader.source_mut()).unwrap();
    }
    unpacker.finish().unwrap();
}
