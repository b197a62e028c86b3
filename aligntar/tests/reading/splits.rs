//! How a stream is cut into reads changes nothing: headers, data and errors are those of the file.

use std::io::{self, Read};

use aligntar::{Kind, Limits, Member, Reader, Record, StreamSource, Timestamp, WriteOptions, Writer, Xattr};
use proptest::prelude::*;

use crate::odd::Archive;

/// A stream whose reads give as many bytes as `lengths` say, in turn.
struct Splits<'b> {
    bytes: &'b [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'b, usize>>,
}

impl Read for Splits<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = *self.lengths.next().expect("a cycle does not end");
        let len = want.min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(len);
        buffer[..len].copy_from_slice(now);
        self.bytes = later;
        Ok(len)
    }
}

type Reading = (Member, u64, Vec<u8>);

fn read_all(source: impl aligntar::Source) -> Result<Vec<Reading>, String> {
    let mut reader = Reader::new(source, Limits::default());
    let mut members = Vec::new();
    while let Some(entry) = reader.next_entry().map_err(|error| error.to_string())? {
        let mut data = Vec::new();
        reader.data(&entry).read_to_end(&mut data).map_err(|error| error.to_string())?;
        members.push((entry.member.clone(), entry.data_offset, data));
    }
    Ok(members)
}

prop_compose! {
    fn member()(
        path in "[a-z]{1,20}(/[a-z]{1,90}){0,4}",
        data in prop::collection::vec(any::<u8>(), 0..9000),
        mtime in (any::<i32>(), 0u32..1_000_000_000),
        owner in (any::<u64>(), "[a-z]{0,40}"),
        value in prop::collection::vec(any::<u8>(), 0..300),
    ) -> (Member, Vec<u8>) {
        let mut member = Member::new(path, Kind::Regular { size: data.len() as u64 }, 0o644);
        member.mtime = Timestamp { secs: mtime.0.into(), nanos: mtime.1 };
        (member.uid, member.uname) = (owner.0, owner.1.into_bytes().into());
        member.xattrs.push(Xattr { name: b"user.a".to_vec(), value: value.clone() });
        member.records.push(Record { keyword: b"VENDOR.b".to_vec(), value });
        (member, data)
    }
}

fn archive(members: &[(Member, Vec<u8>)]) -> Archive {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for (member, data) in members {
        writer.append_bytes(member, data).unwrap();
    }
    writer.finish().unwrap();
    let mut bytes = Vec::new();
    io::Seek::rewind(&mut &file).unwrap();
    (&file).read_to_end(&mut bytes).unwrap();
    Archive(bytes)
}

proptest! {
    // Each case writes and reads some dozens of KiB, partly byte by byte.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn splits_change_nothing(
        members in prop::collection::vec(member(), 0..5),
        lengths in prop::collection::vec(1usize..2000, 1..20),
        cut in prop::option::of(0.0..1.0),
    ) {
        let mut archive = archive(&members);
        if let Some(part) = cut {
            archive.0.truncate((archive.0.len() as f64 * part) as usize);
        }
        let file = archive.file_of();
        let from_file = read_all(aligntar::FileSource::new(&file).unwrap());
        let stream = StreamSource::new(Splits { bytes: &archive.0, lengths: lengths.iter().cycle() });
        let from_stream = read_all(stream);
        match from_file {
            Ok(read) => {
                if cut.is_none() {
                    let written: Vec<_> = read.iter().map(|(member, _, data)| (member.clone(), data.clone())).collect();
                    prop_assert_eq!(&written, &members);
                }
                prop_assert_eq!(Ok(read), from_stream);
            }
            Err(_) => prop_assert!(from_stream.is_err()),
        }
    }
}
