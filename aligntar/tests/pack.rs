//! What goes into an archive, and what the caller can have otherwise.

mod tree;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use aligntar::{
    ChangePolicy, ClonePolicy, Entry, Inode, Kind, Member, MtimePolicy, PackError, PackOptions, Packer, Padding,
    Reader, SocketPolicy, StreamSource, Timestamp, WriteError, WriteOptions, Writer, read_inode,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// What `fill` packs, as bytes of a stream.
fn packed(write: WriteOptions, options: PackOptions<'_>, fill: impl FnOnce(&mut Packer<'_, '_>)) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut writer = Writer::to_stream(&mut archive, write).unwrap();
    let mut ignore = |_: &[u8], _| {};
    fill(&mut Packer::new(&mut writer, options, &mut ignore));
    writer.finish().unwrap();
    archive
}

fn pack_tree(root: &Path, options: PackOptions<'_>) -> Vec<u8> {
    let root = File::open(root).unwrap();
    packed(WriteOptions::default(), options, |packer| packer.pack_tree(&root, b".").unwrap())
}

fn entries(archive: &[u8]) -> Vec<Entry> {
    let limits = aligntar::Limits::default();
    Reader::new(StreamSource::new(archive), limits).map(Result::unwrap).collect()
}

fn names(archive: &[u8]) -> Vec<String> {
    entries(archive).into_iter().map(|entry| String::from_utf8(entry.member.path).unwrap()).collect()
}

#[test]
fn several_trees_have_a_prefix_each_and_share_links() {
    let folder = folder();
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("one/file"), b"data").unwrap();
    fs::hard_link(folder.path().join("one/file"), folder.path().join("two/link")).unwrap();
    let archive = packed(WriteOptions::default(), PackOptions::default(), |packer| {
        for (name, prefix) in [("one", &b"usr/one"[..]), ("two", b"two")] {
            packer.pack_tree(File::open(folder.path().join(name)).unwrap(), prefix).unwrap();
        }
    });
    assert_eq!(names(&archive), ["usr/one", "usr/one/file", "two", "two/link"]);
    assert_eq!(entries(&archive)[3].member.kind, Kind::HardLink { target: b"usr/one/file".to_vec() });
}

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
fn owner_and_times_can_be_fixed() {
    let folder = folder();
    for (name, secs) in [("old", 1000), ("new", 2000)] {
        fs::write(folder.path().join(name), name).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
        File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    let time = |secs| Timestamp { secs, nanos: 0 };
    for (mtime, expected) in [(MtimePolicy::Clamp(time(1500)), [1500, 1000]), (MtimePolicy::Set(time(7)), [7, 7])] {
        for readers in [0, 2] {
            let options = PackOptions { owner: Some((5_000_000, 6)), mtime, readers, ..PackOptions::default() };
            let entries = entries(&pack_tree(folder.path(), options));
            let owners: Vec<_> = entries.iter().map(|entry| (entry.member.uid, entry.member.gid)).collect();
            let times: Vec<_> = entries[1..].iter().map(|entry| entry.member.mtime).collect();
            assert_eq!(owners, [(5_000_000, 6); 3]);
            assert_eq!(times, expected.map(time));
        }
    }
}

#[test]
fn what_is_excluded_is_left_out_with_all_below_it() {
    let folder = folder();
    tree::make(folder.path());
    let options = PackOptions { exclude: &|path| path == b"a/b" || path.starts_with(b"l"), ..PackOptions::default() };
    let names = entries(&pack_tree(folder.path(), options)).into_iter().map(|entry| entry.member.path);
    let names: Vec<_> = names.collect();
    assert!(names.contains(&b"a/small".to_vec()) && names.contains(&b"hard".to_vec()));
    assert!(!names.iter().any(|path| path.starts_with(b"a/b") || path.starts_with(b"l")), "{names:?}");
}

#[test]
fn sockets_are_an_error_or_listed() {
    let folder = folder();
    let _listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let mut archive = Vec::new();
    let mut writer = Writer::to_stream(&mut archive, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let root = File::open(folder.path()).unwrap();
    let error = Packer::new(&mut writer, PackOptions::default(), &mut ignore).pack_tree(&root, b".").unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
    let options = PackOptions { sockets: SocketPolicy::Omit, ..PackOptions::default() };
    let mut packer = Packer::new(&mut writer, options, &mut ignore);
    packer.pack_tree(&root, b".").unwrap();
    assert_eq!(packer.omitted_sockets(), [b"socket"]);
}

/// An inode that was read before its file was changed by `change`.
fn stale(folder: &Path, size: usize, change: impl FnOnce(&File)) -> Inode {
    fs::write(folder.join("log"), vec![b'x'; size]).unwrap();
    let parent = File::open(folder).unwrap();
    let inode = read_inode(&parent, "log".as_ref(), b"log".to_vec(), &|_| true).unwrap();
    change(&File::options().write(true).open(folder.join("log")).unwrap());
    inode
}

#[test]
fn a_file_that_changes_is_named_and_the_archive_stays_whole() {
    let folder = folder();
    for size in [3, 5000, 100_000] {
        let shrunk = stale(folder.path(), size, |file| file.set_len(2).unwrap());
        let grown = stale(folder.path(), size, |file| file.set_len(200_000).unwrap());
        let rewritten = stale(folder.path(), size, |file| file.write_all_at(b"y", 0).unwrap());
        let mut outcomes = Vec::new();
        let archive = packed(WriteOptions::default(), PackOptions::default(), |packer| {
            outcomes = [shrunk, grown, rewritten].into_iter().map(|inode| packer.append(inode).unwrap_err()).collect();
        });
        let output = tempfile::tempfile_in(folder.path()).unwrap();
        (&output).write_all(&archive).unwrap();
        assert_eq!(
            Reader::open(&output).unwrap().map(|entry| entry.unwrap().member.size()).sum::<u64>(),
            3 * size as u64
        );
        for outcome in outcomes {
            assert!(
                matches!(&outcome, PackError::Changed { path } if path == "log")
                    || matches!(&outcome, PackError::Write(WriteError::Source { path, .. }) if path == "log"),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn changes_can_be_listed_instead() {
    let folder = folder();
    fs::write(folder.path().join("steady"), b"steady").unwrap();
    fs::write(folder.path().join("log"), b"log").unwrap();
    let log = File::options().append(true).open(folder.path().join("log")).unwrap();
    let mut archive = Vec::new();
    let mut writer = Writer::to_stream(&mut archive, WriteOptions::default()).unwrap();
    // What asks for attributes runs between the first look at a file and the last one.
    let grow = |_: &[u8]| (&log).write_all(b"more").is_ok();
    rustix::fs::fsetxattr(&log, "user.a", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    let options = PackOptions { keep_xattr: &grow, changes: ChangePolicy::List, ..PackOptions::default() };
    let mut ignore = |_: &[u8], _| {};
    let mut packer = Packer::new(&mut writer, options, &mut ignore);
    packer.pack_tree(File::open(folder.path()).unwrap(), b".").unwrap();
    assert_eq!(
        packer.changed().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["\"log\" changed while it was read"]
    );
    writer.finish().unwrap();
    assert_eq!(names(&archive), [".", "log", "steady"]);
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
