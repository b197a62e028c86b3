//! ACLs: GNU tar's `--acls` and bsdtar set those that we write, and we set theirs.

mod tree;

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aligntar::{PackOptions, Packer, PlainParents, Reader, UnpackOptions, Unpacker, WriteOptions, Writer};
use rustix::fs::XattrFlags;

/// Tag, rights and ID of each entry, as linux/posix_acl_xattr.h has them; `daemon` has ID 1 everywhere.
type Entries = [(u16, u16, u32)];
const NOBODY: u32 = u32::MAX;
const ACCESS: &Entries =
    &[(1, 6, NOBODY), (2, 4, 1), (2, 7, 70_000), (4, 0, NOBODY), (8, 6, 1), (0x10, 4, NOBODY), (0x20, 0, NOBODY)];
const DEFAULT: &Entries = &[(1, 7, NOBODY), (2, 5, 1), (4, 5, NOBODY), (0x10, 5, NOBODY), (0x20, 0, NOBODY)];

fn set(path: &Path, name: &str, entries: &Entries) {
    let mut value = 2u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        value.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
        value.extend(id.to_le_bytes());
    }
    rustix::fs::setxattr(path, format!("system.posix_acl_{name}"), &value, XattrFlags::empty()).unwrap();
}

fn plant(source: &Path) {
    fs::create_dir(source.join("folder")).unwrap();
    for name in ["file", "plain", "set-id", "folder/file"] {
        fs::write(source.join(name), name).unwrap();
    }
    set(&source.join("file"), "access", ACCESS);
    set(&source.join("set-id"), "access", ACCESS);
    fs::set_permissions(source.join("set-id"), Permissions::from_mode(0o6640)).unwrap();
    set(&source.join("folder"), "access", ACCESS);
    set(&source.join("folder"), "default", DEFAULT);
}

fn pack(source: &Path, archive: &Path) {
    let archive = File::create(archive).unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let root = File::open(source).unwrap();
    Packer::new(&mut writer, PackOptions::default(), &mut ignore).pack_tree(root, b".").unwrap();
    writer.finish().unwrap();
}

fn unpack(archive: &Path, target: &Path) {
    let (archive, root) = (File::open(archive).unwrap(), File::open(target).unwrap());
    let mut parents = PlainParents;
    let options = UnpackOptions { owner: true, ..UnpackOptions::default() };
    let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents).unwrap();
    let mut reader = Reader::open(&archive).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&entry, reader.source_mut()).unwrap();
    }
    unpacker.finish().unwrap();
}

/// Mode and attributes of each file.
fn rights(root: &Path) -> BTreeMap<PathBuf, (u32, BTreeMap<String, Vec<u8>>)> {
    tree::facts_below(root).into_iter().map(|(path, facts)| (path, (facts.mode, facts.xattrs))).collect()
}

/// XFS lists an ACL under a name of its own as well.
fn assert_each_acl_once(archive: &Path) {
    for entry in Reader::open(&File::open(archive).unwrap()).unwrap() {
        let member = entry.unwrap().member;
        assert!(member.xattrs.iter().all(|xattr| xattr.name.starts_with(b"system.posix_acl_")), "{member:?}");
    }
}

/// What `make` makes of a tree with ACLs, in a folder with `source`, `target` and `x.tar`, has the same.
fn comes_back(file_system: &str, what: &str, make: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir_in(file_system).unwrap();
    for name in ["source", "target"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    plant(&folder.path().join("source"));
    make(folder.path());
    let [source, target] = ["source", "target"].map(|name| rights(&folder.path().join(name)));
    assert_eq!(source, target, "{what}");
    let is_there = |name: &str| source[Path::new("folder")].1.contains_key(&format!("system.posix_acl_{name}"));
    assert!(is_there("access") && is_there("default"));
}

fn run_silently(command: &str, folder: &Path) {
    let output = Command::new("sh").args(["-c", command]).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{command}: {}: {said}", output.status);
}

fn acls_go_both_ways(file_system: &str) {
    for reader in [
        "tar --acls -xpf x.tar -C target",
        "tar --acls --xattrs --xattrs-include='*' -xpf x.tar -C target",
        "bsdtar -xpf x.tar -C target",
    ] {
        comes_back(file_system, reader, |folder| {
            pack(&folder.join("source"), &folder.join("x.tar"));
            run_silently(reader, folder);
        });
    }
    for writer in [
        "tar --acls -cf x.tar -C source .",
        "tar --acls --numeric-owner -cf x.tar -C source .",
        "tar --acls --xattrs --xattrs-include='*' -cf x.tar -C source .",
        "bsdtar --acls -cf x.tar -C source .",
    ] {
        comes_back(file_system, writer, |folder| {
            run_silently(writer, folder);
            unpack(&folder.join("x.tar"), &folder.join("target"));
        });
    }
    comes_back(file_system, "ours", |folder| {
        pack(&folder.join("source"), &folder.join("x.tar"));
        assert_each_acl_once(&folder.join("x.tar"));
        unpack(&folder.join("x.tar"), &folder.join("target"));
        fs::create_dir(folder.join("plainly")).unwrap();
        run_silently("tar -xf x.tar -C plainly && busybox tar -xf x.tar -C plainly", folder);
    });
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_acls_go_both_ways() {
    acls_go_both_ways("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_acls_go_both_ways() {
    acls_go_both_ways("/mnt/xfs");
}
