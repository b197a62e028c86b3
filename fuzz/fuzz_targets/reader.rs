//! Archives of any bytes: a file and a stream give the same members and data, in bounded memory.
#![no_main]

use std::fs::File;
use std::io::{Read, Write};

use aligntar::{Entry, Limits, ReadError, Reader, Source, StreamSource};
use aligntar_fuzz::{Bounded, peak_of, with_valid_checksums};
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

/// Beyond what grows with the input: a pax header of 1 MiB that the archive does not have, windows, names.
const FIXED_BYTES: usize = 4 << 20;

/// How much of each member's data is compared.
const DATA_BYTES: u64 = 64 << 10;

/// What a source gave: members with their data, and whether all went well.
#[derive(Debug, Default, PartialEq)]
struct Transcript {
    members: Vec<(Entry, Vec<u8>)>,
    ended_well: bool,
}

fuzz_target!(|archive: &[u8]| {
    let archive = with_valid_checksums(archive);
    let mut file = File::from(memfd_create("archive", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(&archive).unwrap();
    let (from_file, peak) = peak_of(|| transcript(Reader::open(&file).unwrap(), archive.len()));
    assert!(peak <= FIXED_BYTES + 64 * archive.len(), "{peak} bytes of memory for {} of input", archive.len());
    let stream = || Reader::new(StreamSource::new(&archive[..]), Limits::default());
    let (from_stream, peak) = peak_of(|| transcript(stream(), archive.len()));
    assert!(peak <= FIXED_BYTES + 64 * archive.len(), "{peak} bytes of memory for {} of input", archive.len());
    assert_eq!(from_file, from_stream);
    assert!(from_file.members.len() <= archive.len() / 512, "more members than headers");
});

/// A member whose data or filling is cut off ends a transcript: a file's reader says so at its header, a stream's when
/// it gets there.
fn transcript<S: Source>(mut reader: Reader<S>, archive_len: usize) -> Transcript {
    let mut transcript = Transcript::default();
    loop {
        match reader.next_entry() {
            Ok(Some(entry)) if behind(&entry) > archive_len as u64 => return transcript,
            Ok(Some(entry)) => match data(&mut reader, &entry) {
                Some(data) => transcript.members.push((entry, data)),
                None => return transcript,
            },
            Ok(None) => {
                transcript.ended_well = true;
                return transcript;
            }
            Err(ReadError::Io { source, .. }) => panic!("memory does not fail: {source}"),
            Err(_) => return transcript,
        }
    }
}

/// Offset of the block behind the entry.
fn behind(entry: &Entry) -> u64 {
    (entry.data_offset + entry.stored_len).next_multiple_of(512)
}

/// The first bytes of the data: a sparse file may have any size.
fn data<S: Source>(reader: &mut Reader<S>, entry: &Entry) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    reader.data(entry).take(DATA_BYTES).read_to_end(&mut data).ok().map(|_| data)
}
