//! A tree with everything that a user without rights can make, and how to pack, unpack and compare it. Each test file
//! uses a part of this.
#![allow(dead_code)]

mod describe;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

use aligntar::{ClonePolicy, PackOptions, Packer, PlainParents, Reader, UnpackOptions, Unpacker, WriteOptions, Writer};
use aligntar::{Transferred, Written};
use rustix::fs::{FileType, Mode, Timespec, Timestamps, XattrFlags};

#[allow(unused_imports)]
pub(crate) use describe::{Facts, describe, facts_below};

/// Bytes of the largest file in [`make`].
pub(crate) const LARGE: usize = 1_234_567;

pub(crate) fn make(root: &Path) {
    fs::create_dir_all(root.join("a/b/c")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("a/small"), b"small").unwrap();
    fs::write(root.join("a/nothing"), b"").unwrap();
    fs::write(root.join("a/b/block"), vec![b'b'; 4096]).unwrap();
    fs::write(root.join("a/b/large"), (0..LARGE).map(|at| (at * 7) as u8).collect::<Vec<_>>()).unwrap();
    let sparse = File::create(root.join("a/b/c/sparse")).unwrap();
    sparse.write_all_at(b"in the middle", 5 << 20).unwrap();
    sparse.set_len(9 << 20).unwrap();
    fs::hard_link(root.join("a/small"), root.join("hard")).unwrap();
    symlink("a/small", root.join("soft")).unwrap();
    symlink("x".repeat(300), root.join("dangling")).unwrap();
    let long = root.join("l".repeat(200)).join("n".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("deep"), b"deep").unwrap();
    fs::write(root.join("caf\u{e9} \n tab\t"), b"odd name").unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let value = b"line\n20 size=99\n\0\xff";
    rustix::fs::setxattr(root.join("a/small"), "user.odd", value, XattrFlags::empty()).unwrap();
    fs::set_permissions(root.join("a/small"), Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(root.join("empty"), Permissions::from_mode(0o1700)).unwrap();
    for (path, secs, nanos) in [("a/b/block", -5, 250_000_000), ("empty", 8_600_000_000, 1), ("soft", 1, 999_999_999)] {
        set_mtime(&root.join(path), secs, nanos);
    }
}

fn set_mtime(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn pack(root: &Path, archive: &File, policy: ClonePolicy) -> Written {
    let options = WriteOptions { clone_policy: policy, ..WriteOptions::default() };
    let mut writer = Writer::new(archive, options).unwrap();
    let mut count = |_: &[u8], _| {};
    let options = PackOptions { keep_xattr: &|name| name.starts_with(b"user."), ..PackOptions::default() };
    let mut packer = Packer::new(&mut writer, options, &mut count);
    packer.pack_tree(File::open(root).unwrap(), b".").unwrap();
    writer.finish().unwrap()
}

pub(crate) fn unpack(archive: &File, root: &Path, policy: ClonePolicy) -> Transferred {
    let root = File::open(root).unwrap();
    let mut parents = PlainParents;
    let options = UnpackOptions { owner: true, clone_policy: policy, ..UnpackOptions::default() };
    let mut unpacker = Unpacker::new(std::os::fd::AsFd::as_fd(&root), options, &mut parents).unwrap();
    let mut reader = Reader::open(archive).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&entry, reader.source_mut()).unwrap();
    }
    unpacker.finish().unwrap()
}
