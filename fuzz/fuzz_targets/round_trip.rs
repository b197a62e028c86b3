//! Members of any kind: written, they read the same from a file and from a stream, and their data is aligned.
#![no_main]

use std::fs::File;
use std::io::{Read, Seek};

use aligntar::{
    Alignment, Kind, Limits, Member, Padding, Reader, StreamSource, Timestamp, WriteOptions, Writer, Xattr,
};
use aligntar_fuzz::Bounded;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, memfd_create};

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

#[derive(Arbitrary, Debug)]
struct Archive {
    /// 512 to 64 KiB, as a power of two.
    alignment: u8,
    padding: u8,
    members: Vec<AnyMember>,
}

#[derive(Arbitrary, Debug)]
struct AnyMember {
    path: Vec<u8>,
    /// What each component of the path is repeated, for long ones.
    repeat: u8,
    kind: AnyKind,
    mode: u16,
    uid: u64,
    gid: u64,
    mtime: (i64, u32),
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    uname: Vec<u8>,
    gname: Vec<u8>,
}

#[derive(Arbitrary, Debug)]
enum AnyKind {
    Regular { size: u16, byte: u8 },
    HardLink { target: Vec<u8> },
    Symlink { target: Vec<u8> },
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Directory,
    Fifo,
}

fuzz_target!(|archive: Archive| {
    let alignment = Alignment::new(1 << (9 + archive.alignment % 8)).unwrap();
    let padding = [Padding::Comment, Padding::Vendor, Padding::DummyHeaders][usize::from(archive.padding % 3)];
    let members: Vec<(Member, Vec<u8>)> = archive.members.iter().map(member).collect();
    let mut file = File::from(memfd_create("archive", MemfdFlags::CLOEXEC).unwrap());
    let written =
        write(&file, WriteOptions { alignment: Some(alignment), padding, ..WriteOptions::default() }, &members);
    let mut reader = Reader::open(&file).unwrap();
    for (member, data) in &written {
        let entry = reader.next_entry().unwrap().expect("as many members as were written");
        assert_eq!(entry.member, *member);
        assert!(member.size() < alignment.bytes() || alignment.is_aligned(entry.data_offset), "{entry:?}");
        let mut read = Vec::new();
        reader.data(&entry).read_to_end(&mut read).unwrap();
        assert_eq!(read, *data);
    }
    assert!(reader.next_entry().unwrap().is_none());
    file.rewind().unwrap();
    let streamed: Vec<_> =
        Reader::new(StreamSource::new(&file), Limits::default()).map(|entry| entry.unwrap().member).collect();
    assert!(streamed.iter().eq(written.iter().map(|(member, _)| member)));
});

/// Writes what can be written; gives that.
fn write(file: &File, options: WriteOptions, members: &[(Member, Vec<u8>)]) -> Vec<(Member, Vec<u8>)> {
    let mut writer = Writer::new(file, options).unwrap();
    let appended = |(member, data): &&(Member, Vec<u8>)| writer.append_bytes(member, data).is_ok();
    let written = members.iter().filter(appended).cloned().collect();
    writer.finish().unwrap();
    written
}

fn member(any: &AnyMember) -> (Member, Vec<u8>) {
    let data = match any.kind {
        AnyKind::Regular { size, byte } => vec![byte; size.into()],
        _ => Vec::new(),
    };
    let mut xattrs: Vec<_> =
        any.xattrs.iter().map(|(name, value)| Xattr { name: name.clone(), value: value.clone() }).collect();
    xattrs.sort_by(|one, other| one.name.cmp(&other.name));
    xattrs.dedup_by(|one, other| one.name == other.name);
    let member = Member {
        uid: any.uid,
        gid: any.gid,
        mtime: Timestamp { secs: any.mtime.0, nanos: any.mtime.1 % 1_000_000_000 },
        xattrs,
        uname: until_nul(&any.uname).into(),
        gname: until_nul(&any.gname).into(),
        ..Member::new(path(&any.path, any.repeat), kind(&any.kind), u32::from(any.mode) & 0o7777)
    };
    (member, data)
}

fn kind(any: &AnyKind) -> Kind {
    match any {
        AnyKind::Regular { size, .. } => Kind::Regular { size: u64::from(*size) },
        AnyKind::HardLink { target } => Kind::HardLink { target: path(target, 0) },
        AnyKind::Symlink { target } => Kind::Symlink { target: target.clone() },
        AnyKind::CharDevice { major, minor } => Kind::CharDevice { major: *major, minor: *minor },
        AnyKind::BlockDevice { major, minor } => Kind::BlockDevice { major: *major, minor: *minor },
        AnyKind::Directory => Kind::Directory,
        AnyKind::Fifo => Kind::Fifo,
    }
}

/// A name as a header field can hold it.
fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|&byte| byte != 0).collect()
}

/// A path as readers give it: plain names, one slash between them.
fn path(bytes: &[u8], repeat: u8) -> Vec<u8> {
    let names = bytes.split(|&byte| byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let repeated = names.map(|name| name.repeat(1 + usize::from(repeat % 16)));
    repeated.collect::<Vec<_>>().join(&b'/')
}
