//! One answer: what a listing and a verification call sound, every other way to read an archive reads, member for member;
//! what one of them cannot read, none can.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use aligntar::{
    Limits, Member, PlainParents, ProblemKind, Reader, Refusal, Source, StreamSource, UnpackError, UnpackOptions,
    Unpacker, VerifyOptions, WriteOptions, Writer, verify_file,
};
use proptest::prelude::*;

/// Larger files, which a map can make of a few bytes, are not made; in bytes.
const LARGE: u64 = 1 << 22;

/// A member and its data.
type Reading = (Member, Vec<u8>);

/// All members, or the error.
type Answer = Result<Vec<Reading>, String>;

fn file_of(bytes: &[u8]) -> File {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file
}

fn read<S: Source>(mut reader: Reader<S>) -> Answer {
    let mut members = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|error| error.to_string())? {
        let mut data = Vec::new();
        reader.data(&entry).take(LARGE).read_to_end(&mut data).map_err(|error| error.to_string())?;
        members.push((entry.member, data));
    }
    Ok(members)
}

fn stream(bytes: &[u8]) -> Reader<StreamSource<&[u8]>> {
    Reader::new(StreamSource::new(bytes), Limits::default())
}

/// As restore reads a container's files: in place, in the archive that holds the archive.
fn nested(bytes: &[u8]) -> Answer {
    let outer = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&outer, WriteOptions::default()).unwrap();
    let kind = aligntar::Kind::Regular { size: bytes.len() as u64 };
    writer.append_bytes(&Member::new("x.tar", kind, 0o600), bytes).unwrap();
    writer.append(&Member::new("behind", aligntar::Kind::Fifo, 0o600)).unwrap();
    writer.finish().unwrap();
    let entry = Reader::open(&outer).unwrap().next_entry().unwrap().unwrap();
    read(Reader::open_nested(&outer, &entry).unwrap())
}

/// What is in the archive that is made out of this one, in place.
fn aligned(file: &File) -> Answer {
    let target = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&target, WriteOptions::default()).unwrap();
    for entry in Reader::open(file).unwrap() {
        writer.append_entry(&entry.map_err(|error| error.to_string())?, file).map_err(|error| error.to_string())?;
    }
    writer.finish().unwrap();
    // An archive of no members is one of a marker alone.
    read(Reader::open(&target).unwrap())
}

/// The same, while it streams by.
fn aligned_stream(bytes: &[u8]) -> Answer {
    let target = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&target, WriteOptions::default()).unwrap();
    let mut reader = stream(bytes);
    while let Some(entry) = reader.next_entry().map_err(|error| error.to_string())? {
        let appended = writer.append_stream(&entry.member, &mut reader.data(&entry));
        appended.map_err(|error| error.to_string())?;
    }
    writer.finish().unwrap();
    read(Reader::open(&target).unwrap())
}

/// Whether all of it could be read; members that are not for any file system are told, and are no damage.
fn unpacked<S: Source>(mut reader: Reader<S>) -> Result<usize, String> {
    let folder = tempfile::tempdir().unwrap();
    let root = File::open(folder.path()).unwrap();
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(root.as_fd(), UnpackOptions::default(), &mut parents).unwrap();
    let mut members = 0;
    while let Some(entry) = reader.next_entry().map_err(|error| error.to_string())? {
        members += 1;
        match unpacker.unpack(&entry, reader.source_mut()) {
            Err(error @ UnpackError::Refused { why: Refusal::Length { .. } | Refusal::SparseMap { .. }, .. }) => {
                return Err(error.to_string());
            }
            Err(error @ UnpackError::Data { .. }) => return Err(error.to_string()),
            _ => {}
        }
    }
    let _ = unpacker.finish();
    Ok(members)
}

/// The problem of reading that a verification finds in the archive itself.
fn verified(file: &File) -> Result<(), String> {
    let report = verify_file(file, &VerifyOptions::default()).unwrap();
    let is_read_error = |kind: &ProblemKind| matches!(kind, ProblemKind::Read(_));
    match report.problems.iter().find(|problem| problem.within.is_none() && is_read_error(&problem.kind)) {
        Some(problem) => Err(problem.kind.to_string()),
        None => Ok(()),
    }
}

fn check(what: &str, bytes: &[u8]) {
    let file = file_of(bytes);
    let listed = read(Reader::open(&file).unwrap());
    let answers = [("stream", read(stream(bytes))), ("nested", nested(bytes))];
    for (way, answer) in answers {
        match (&listed, answer) {
            (Ok(listed), Ok(answer)) => assert_eq!(*listed, answer, "{what}: {way}"),
            (Err(_), Err(_)) => {}
            (listed, answer) => panic!("{what}: listed {listed:?}, {way} {answer:?}"),
        }
    }
    assert_eq!(listed.is_ok(), verified(&file).is_ok(), "{what}: {:?}, {:?}", listed.err(), verified(&file));
    if listed.iter().flatten().any(|(member, _)| member.size() > LARGE) {
        return;
    }
    for (way, answer) in [("align", aligned(&file)), ("align of a stream", aligned_stream(bytes))] {
        match (&listed, answer) {
            (Ok(listed), Ok(answer)) => assert_eq!(*listed, answer, "{what}: {way}"),
            (Err(_), Err(_)) => {}
            (listed, answer) => panic!("{what}: listed {listed:?}, {way} {answer:?}"),
        }
    }
    for (way, answer) in
        [("unpack", unpacked(Reader::open(&file).unwrap())), ("unpack of a stream", unpacked(stream(bytes)))]
    {
        match (&listed, answer) {
            (Ok(listed), Ok(members)) => assert_eq!(listed.len(), members, "{what}: {way}"),
            (Err(_), Err(_)) => {}
            (listed, answer) => panic!("{what}: listed {listed:?}, {way} {answer:?}"),
        }
    }
}

#[test]
fn every_odd_archive_has_one_answer() {
    crate::cases().for_each(|case| check(case.name, &(case.archive)()));
}

/// Puts the right checksum into the block at `at`.
fn seal(archive: &mut [u8], at: usize) {
    let Some(block) = archive.get_mut(at..at + 512) else { return };
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Bytes that say something in some field: typeflags, digits, ends.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![prop::sample::select(b"0123456789xgLKSDVMAZ/.=- \0\n\x80\xff".to_vec()), any::<u8>()]
}

proptest! {
    // Each case is read eight times, and unpacked twice.
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_archive_made_of_odd_ones_has_one_answer(
        parts in prop::collection::vec((0usize..crate::cases().count(), 0.0..1.0f64), 1..4),
        edits in prop::collection::vec((0.0..1.0f64, 0usize..512, byte()), 0..4),
    ) {
        let cases: Vec<_> = crate::cases().collect();
        // Whole blocks of each but its end, so that what one leaves open meets what the next begins with.
        let mut archive: Vec<u8> = parts.iter().flat_map(|&(case, part)| {
            let mut bytes = (cases[case].archive)();
            bytes.truncate(LARGE as usize / 64);
            let blocks = (bytes.len() as f64 / 512.0 * part).ceil() as usize;
            bytes.truncate(blocks * 512);
            bytes
        }).collect();
        for &(place, byte, value) in &edits {
            let block = (archive.len() as f64 / 512.0 * place) as usize * 512;
            if let Some(edited) = archive.get_mut(block + byte) {
                *edited = value;
                seal(&mut archive, block);
            }
        }
        archive.extend([0; 1024]);
        let names: Vec<_> = parts.iter().map(|&(case, part)| (cases[case].name, part)).collect();
        check(&format!("{names:?}, {edits:?}"), &archive);
    }
}
