//! How it is written: threads, streams, padding, members beyond what a header holds.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use aligntar::{
    ClonePolicy, Kind, Member, PackOptions, Packer, Padding, Reader, StreamSource, Timestamp, WriteError, WriteOptions,
    Writer,
};

use crate::{entries, folder, pack_tree, packed, tree};

#[test]
fn an_archive_begins_where_its_file_stands() {
    let folder = folder();
    fs::write(folder.path().join("file"), vec![7; 5000]).unwrap();
    let mut output = tempfile::tempfile().unwrap();
    output.write_all(&[1; 700]).unwrap();
    let mut writer = Writer::new(&output, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let mut packer = Packer::new(&mut writer, PackOptions::default(), &mut ignore);
    packer.pack_tree(File::open(folder.path()).unwrap(), b".").unwrap();
    assert_eq!(writer.finish().unwrap().end, output.stream_position().unwrap());
    let mut bytes = vec![0; 700];
    output.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1; 700]);
    output.seek(SeekFrom::Start(700)).unwrap();
    let mut reader = Reader::new(StreamSource::new(&output), aligntar::Limits::default());
    assert_eq!(reader.by_ref().map(|entry| entry.unwrap().member.size()).collect::<Vec<_>>(), [0, 5000]);
}

#[test]
fn every_padding_is_read_the_same() {
    let folder = folder();
    fs::write(folder.path().join("file"), vec![7; 9000]).unwrap();
    let root = File::open(folder.path()).unwrap();
    for padding in [Padding::Comment, Padding::Vendor, Padding::DummyHeaders] {
        let write = WriteOptions { padding, ..WriteOptions::default() };
        let archive = packed(write, PackOptions::default(), |packer| packer.pack_tree(&root, b".").unwrap());
        let entries = entries(&archive);
        assert_eq!((entries.len(), entries[1].data_offset), (2, 4096), "{padding:?}");
        assert!(entries[1].member.records.is_empty(), "{:?}", entries[1].member);
    }
}

#[test]
fn threads_files_and_streams_give_the_same_bytes() {
    let folder = folder();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    tree::make(&source);
    for number in 0..300 {
        fs::write(source.join(format!("many-{number}")), vec![7; number * 41]).unwrap();
    }
    let expected = pack_tree(&source, PackOptions::default());
    for readers in [1, 3] {
        assert!(pack_tree(&source, PackOptions { readers, ..PackOptions::default() }) == expected, "{readers} readers");
    }
    for clone_policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
        let path = folder.path().join("x.tar");
        let output = File::create(&path).unwrap();
        let alignment = Some(aligntar::Alignment::DEFAULT);
        let options = WriteOptions { clone_policy, alignment, ..WriteOptions::default() };
        let mut writer = Writer::new(&output, options).unwrap();
        let mut ignore = |_: &[u8], _| {};
        let options = PackOptions { readers: 2, ..PackOptions::default() };
        Packer::new(&mut writer, options, &mut ignore).pack_tree(File::open(&source).unwrap(), b".").unwrap();
        writer.finish().unwrap();
        assert!(fs::read(&path).unwrap() == expected, "{clone_policy:?}");
    }
}

#[test]
fn members_beyond_the_headers_fields_come_back() {
    let mut member = Member::new(vec![b'p'; 4095], Kind::Regular { size: 9 << 30 }, 0o7777);
    (member.uid, member.gid) = (u64::from(u32::MAX) - 1, 1 << 21);
    for mtime in [
        Timestamp { secs: -100_000_000_000, nanos: 1 },
        Timestamp { secs: 10_000_000_000, nanos: 999_999_999 },
        Timestamp { secs: -1, nanos: 500_000_000 },
    ] {
        member.mtime = mtime;
        let source = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        source.set_len(9 << 30).unwrap();
        let output = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut writer = Writer::new(&output, WriteOptions::default()).unwrap();
        writer.append_file(&member, &source).unwrap();
        let link = Member::new("link", Kind::Symlink { target: vec![0xff; 4095] }, 0o777);
        writer.append(&link).unwrap();
        writer.finish().unwrap();
        let read: Vec<_> = Reader::open(&output).unwrap().map(|entry| entry.unwrap().member).collect();
        assert_eq!(read, [member.clone(), link]);
    }
}

#[test]
fn streams_hold_no_nested_archives_and_no_clones() {
    let required = WriteOptions { clone_policy: ClonePolicy::Required, ..WriteOptions::default() };
    assert!(matches!(Writer::to_stream(Vec::new(), required), Err(WriteError::NotAFile { .. })));
    let mut writer = Writer::to_stream(Vec::new(), WriteOptions::default()).unwrap();
    let nested = Member::new("inner.tar", Kind::Regular { size: 0 }, 0o600);
    let filled: Result<(), WriteError> = writer.append_nested(&nested, |_| Ok(()));
    assert!(matches!(filled, Err(WriteError::NotAFile { .. })));
    assert_eq!(writer.members(), 0);
}
