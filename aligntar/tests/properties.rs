//! Members of any kind: written, they read the same, however the bytes come and go.

mod any_member;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use aligntar::{
    ClonePolicy, Kind, Limits, Member, Reader, Source, StreamSource, TAR_BLOCK, Transferred, WriteOptions, Writer,
};
use any_member::{WithData, layout, members};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

fn write(file: &File, layout: WriteOptions, members: &[WithData]) {
    let mut writer = Writer::new(file, layout).unwrap();
    for WithData { member, data } in members {
        writer.append_bytes(member, data).unwrap();
    }
    writer.finish().unwrap();
}

/// All members with their data, in order.
fn read<S: Source>(mut reader: Reader<S>) -> Vec<WithData> {
    let mut read = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut data = Vec::new();
        reader.data(&entry).read_to_end(&mut data).unwrap();
        read.push(WithData { member: entry.member, data });
    }
    read
}

/// A stream that gives at most so many bytes at once, each length in turn.
struct Splits<R> {
    stream: R,
    lengths: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl<R: Read> Read for Splits<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.lengths.next().unwrap_or(1).min(buffer.len());
        self.stream.read(&mut buffer[..len])
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]

    #[test]
    fn what_is_written_is_read(members in members(), layout in layout()) {
        let file = tempfile::tempfile().unwrap();
        write(&file, layout, &members);
        prop_assert_eq!(read(Reader::open(&file).unwrap()), members);
    }

    #[test]
    fn data_of_a_block_or_more_is_aligned(members in members(), layout in layout()) {
        let file = tempfile::tempfile().unwrap();
        write(&file, layout, &members);
        let alignment = layout.alignment.unwrap();
        for entry in Reader::open(&file).unwrap() {
            let entry = entry.unwrap();
            prop_assert!(entry.member.size() < alignment.bytes() || alignment.is_aligned(entry.data_offset), "{:?}", entry);
            prop_assert_eq!(entry.header_offset % TAR_BLOCK, 0);
        }
    }

    #[test]
    fn splits_of_reads_change_nothing(
        members in members(),
        layout in layout(),
        lengths in prop::collection::vec(1usize..3000, 1..20),
    ) {
        let mut file = tempfile::tempfile().unwrap();
        write(&file, layout, &members);
        file.seek(SeekFrom::Start(0)).unwrap();
        let stream = StreamSource::new(Splits { stream: &file, lengths: lengths.into_iter().cycle() });
        prop_assert_eq!(read(Reader::new(stream, Limits::default())), members);
    }
}

/// Such numbers are of other systems; who copies an archive keeps them.
#[test]
fn device_numbers_past_a_headers_digits_come_back() {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    let numbers = [((1 << 21) - 1, (1 << 21) - 1), (1 << 21, 0), (0, 1 << 21), (u32::MAX, u32::MAX)];
    let devices = numbers.map(|(major, minor)| Member::new("device", Kind::CharDevice { major, minor }, 0o600));
    devices.iter().for_each(|device| writer.append(device).unwrap());
    writer.finish().unwrap();
    let read = Reader::open(&file).unwrap().map(|entry| entry.unwrap().member);
    assert_eq!(read.collect::<Vec<_>>(), devices);
}

/// How far the members' data lies apart in the file it comes from: on blocks, and more than any of them has.
const APART: u64 = 128 << 10;

/// The data of each member at a multiple of [`APART`]; on the disk, since nothing else can be cloned.
fn source_of(folder: &Path, members: &[WithData]) -> File {
    let source = tempfile::tempfile_in(folder).unwrap();
    for (number, WithData { data, .. }) in (0..).zip(members) {
        source.write_all_at(data, number * APART).unwrap();
    }
    rustix::fs::fsync(&source).unwrap();
    source
}

/// Appends `members`, whose data is in `source`, and gives how it moved.
fn append(mut writer: Writer<'_>, source: &File, members: &[WithData]) -> Transferred {
    for (number, WithData { member, .. }) in (0..).zip(members) {
        writer.append_file_at(member, source, number * APART).unwrap();
    }
    writer.finish().unwrap().moved
}

/// The same archive thrice: data cloned as far as it can be, data copied, and all of it through a stream.
fn three_ways(folder: &Path, layout: WriteOptions, members: &[WithData]) -> [Vec<u8>; 3] {
    let source = source_of(folder, members);
    let [cloned, copied] = [ClonePolicy::IfPossible, ClonePolicy::Never].map(|clone_policy| {
        let archive = tempfile::tempfile_in(folder).unwrap();
        let writer = Writer::new(&archive, WriteOptions { clone_policy, ..layout }).unwrap();
        let moved = append(writer, &source, members);
        assert!(clone_policy == ClonePolicy::IfPossible || moved.clone_calls == 0, "{moved:?}");
        let mut bytes = vec![0; archive.metadata().unwrap().len() as usize];
        archive.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    });
    let mut streamed = Vec::new();
    append(Writer::to_stream(&mut streamed, layout).unwrap(), &source, members);
    [cloned, copied, streamed]
}

fn all_ways_give_the_same_bytes(file_system: &str) {
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let same = |(members, layout): (Vec<WithData>, WriteOptions)| {
        let [cloned, copied, streamed] = three_ways(Path::new(file_system), layout, &members);
        prop_assert!(cloned == copied, "cloned and copied differ, {} and {} bytes", cloned.len(), copied.len());
        prop_assert!(copied == streamed, "file and stream differ, {} and {} bytes", copied.len(), streamed.len());
        Ok(())
    };
    runner.run(&(members(), layout()), same).unwrap();
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_clones_copies_and_streams_give_the_same_bytes() {
    all_ways_give_the_same_bytes("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_clones_copies_and_streams_give_the_same_bytes() {
    all_ways_give_the_same_bytes("/mnt/xfs");
}

#[test]
fn files_and_streams_give_the_same_bytes() {
    all_ways_give_the_same_bytes(env!("CARGO_TARGET_TMPDIR"));
}
