//! Archives in an archive: written in place, aligned to the outer file, read in place.

mod tree;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use aligntar::{ClonePolicy, Kind, Member, PackOptions, Packer, Reader, WriteError, WriteOptions, Writer};

/// `before` and `after`, and between them the tree at `source` as `inner.tar`.
fn write(source: &Path, outer: &File) {
    let mut writer = Writer::new(outer, WriteOptions::default()).unwrap();
    writer.append_bytes(&Member::new("before", Kind::Regular { size: 3 }, 0o600), b"one").unwrap();
    let nested = Member::new("inner.tar", Kind::Regular { size: 0 }, 0o600);
    let filled: Result<(), aligntar::PackError> = writer.append_nested(&nested, |writer| {
        let mut ignore = |_: &[u8], _| {};
        let options = PackOptions { keep_xattr: &|name| name.starts_with(b"user."), ..PackOptions::default() };
        Packer::new(writer, options, &mut ignore).pack_tree(File::open(source).unwrap(), b".")
    });
    filled.unwrap();
    writer.append_bytes(&Member::new("after", Kind::Regular { size: 3 }, 0o600), b"two").unwrap();
    writer.finish().unwrap();
}

#[test]
fn nested_data_lies_on_the_outer_files_blocks() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    tree::make(&source);
    let outer = File::create_new(folder.path().join("outer.tar")).unwrap();
    write(&source, &outer);
    let outer = File::open(folder.path().join("outer.tar")).unwrap();
    let entries: Vec<_> = Reader::open(&outer).unwrap().map(Result::unwrap).collect();
    let names: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(&entry.member.path)).collect();
    assert_eq!(names, ["before", "inner.tar", "after"]);
    assert_eq!(entries[1].data_offset % 4096, 0);
    let mut aligned = 0;
    for entry in Reader::open_nested(&outer, &entries[1]).unwrap().map(Result::unwrap) {
        if entry.member.size() >= 4096 {
            assert_eq!(entry.data_offset % 4096, 0, "{entry:?}");
            aligned += 1;
        }
    }
    assert_eq!(aligned, 3);
}

#[test]
fn other_tools_take_a_nested_archive_out() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&target).unwrap();
    tree::make(&source);
    write(&source, &File::create(folder.path().join("outer.tar")).unwrap());
    let script =
        "tar -xf outer.tar && tar --warning=no-timestamp --xattrs -xpf inner.tar -C target && cat before after";
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output().unwrap();
    assert_eq!((output.stdout, output.stderr), (b"onetwo".to_vec(), Vec::new()));
    assert_eq!(tree::describe(&source), tree::describe(&target));
    let inner = File::open(folder.path().join("inner.tar")).unwrap();
    fs::remove_dir_all(&target).unwrap();
    fs::create_dir(&target).unwrap();
    tree::unpack(&inner, &target, ClonePolicy::IfPossible);
    assert_eq!(tree::describe(&source), tree::describe(&target));
}

#[test]
fn an_error_inside_comes_out() {
    let outer = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&outer, WriteOptions::default()).unwrap();
    let nested = Member::new("inner.tar", Kind::Regular { size: 0 }, 0o600);
    let filled: Result<(), WriteError> =
        writer.append_nested(&nested, |writer| writer.append(&Member::new("a\0b", Kind::Fifo, 0o600)));
    assert!(matches!(filled, Err(WriteError::BadPath { .. })));
}
