//! Trees that others change while they are packed.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use aligntar::{
    ChangePolicy, FileSource, Inode, PackError, PackOptions, Packer, PlainParents, Reader, UnpackOptions, Unpacker,
    WriteError, WriteOptions, Writer, read_inode,
};

use crate::{entries, folder, names, pack_tree, packed};

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

/// What the tree `source` becomes in a file, with changes listed; gives how many were.
fn packed_in_motion(source: &Path, options: PackOptions<'_>) -> (File, usize) {
    packed_into(tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), source, options)
}

fn packed_into(archive: File, source: &Path, options: PackOptions<'_>) -> (File, usize) {
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let options = PackOptions { changes: ChangePolicy::List, ..options };
    let mut packer = Packer::new(&mut writer, options, &mut ignore);
    packer.pack_tree(File::open(source).unwrap(), b".").unwrap();
    let changed = packer.changed().len();
    writer.finish().unwrap();
    (archive, changed)
}

/// Unpacks `archive` and gives the folder.
fn unpacked(archive: &File) -> tempfile::TempDir {
    let target = folder();
    let root = File::open(target.path()).unwrap();
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(root.as_fd(), UnpackOptions::default(), &mut parents).unwrap();
    let mut source = FileSource::new(archive).unwrap();
    for entry in Reader::open(archive).unwrap() {
        unpacker.unpack(&entry.unwrap(), &mut source).unwrap();
    }
    unpacker.finish().unwrap();
    target
}

#[test]
fn a_file_that_ends_early_has_the_length_that_it_has_then() {
    for size in [3000, 20_000, 100_000, 3_000_000] {
        let folder = folder();
        let path = folder.path().join("log");
        fs::write(&path, vec![b'x'; size]).unwrap();
        let log = File::options().write(true).open(&path).unwrap();
        rustix::fs::fsetxattr(&log, "user.a", b"1", rustix::fs::XattrFlags::empty()).unwrap();
        // What asks for attributes runs between the first look at a file and its data.
        let shrink = |_: &[u8]| log.set_len(2000).is_ok();
        let (archive, changed) =
            packed_in_motion(folder.path(), PackOptions { keep_xattr: &shrink, ..PackOptions::default() });
        assert_eq!(changed, 1, "{size}");
        assert!(fs::read(unpacked(&archive).path().join("log")).unwrap() == vec![b'x'; 2000], "{size}");
    }
}

#[test]
fn files_that_move_or_change_kind_leave_an_archive_that_can_be_unpacked() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    for name in ["gone", "moved", "replaced"] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("a"), name).unwrap();
        fs::write(path(name).join("b"), name).unwrap();
    }
    fs::write(path("file"), "a file").unwrap();
    fs::write(path("vanishing"), "a file").unwrap();
    // Asked of each name in front of it: what has been listed by then is no longer so.
    let change = |name: &[u8]| {
        match name {
            b"file" => {
                fs::remove_file(path("file")).unwrap();
                symlink("/etc/passwd", path("file")).unwrap();
            }
            b"gone" => fs::remove_dir_all(path("gone")).unwrap(),
            b"moved/a" => {
                fs::rename(path("moved"), path("elsewhere")).unwrap();
                symlink("/etc", path("moved")).unwrap();
            }
            b"replaced" => {
                fs::remove_dir_all(path("replaced")).unwrap();
                symlink("moved", path("replaced")).unwrap();
            }
            b"vanishing" => fs::remove_file(path("vanishing")).unwrap(),
            _ => {}
        }
        false
    };
    let (archive, changed) =
        packed_in_motion(folder.path(), PackOptions { exclude: &change, ..PackOptions::default() });
    assert_eq!(changed, 2, "what was gone");
    let target = unpacked(&archive);
    let mut found: Vec<_> = fs::read_dir(target.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    found.sort();
    assert_eq!(found, ["file", "moved", "replaced"]);
    assert_eq!(fs::read_link(target.path().join("file")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read_to_string(target.path().join("moved/b")).unwrap(), "moved");
    assert_eq!(fs::read_link(target.path().join("replaced")).unwrap(), Path::new("moved"));
}

#[test]
fn trees_of_any_depth_are_walked_and_what_is_moved_in_them_is_left() {
    let folder = folder();
    let name = "n".repeat(100);
    let (mut here, mut made) = (File::open(folder.path()).unwrap(), Vec::new());
    for _ in 0..150 {
        rustix::fs::mkdirat(&here, &name, 0o755.into()).unwrap();
        rustix::fs::mkdirat(&here, "z", 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        here = rustix::fs::openat(&here, &name, flags, 0.into()).unwrap().into();
        made.push(here.try_clone().unwrap());
    }
    let archive = pack_tree(folder.path(), PackOptions::default());
    let entries = entries(&archive);
    assert_eq!(entries.len(), 301);
    assert_eq!(entries.iter().map(|entry| entry.member.path.len()).max(), Some(150 * 101 - 1));
    let deepest = vec![name.as_str(); 149].join("/") + "/z";
    let change = |path: &[u8]| {
        if path == deepest.as_bytes() {
            rustix::fs::renameat(&made[98], &name, File::open(folder.path()).unwrap(), "moved").unwrap();
        }
        false
    };
    let (_, changed) = packed_in_motion(folder.path(), PackOptions { exclude: &change, ..PackOptions::default() });
    assert_eq!(changed, 36, "those from which it was moved, as far down as directories are not kept open");
}

/// One thread writes a file over and over, each time with another byte, in one call; packed meanwhile, it has one byte.
fn a_file_in_motion_is_of_one_moment(file_system: &str) {
    let folder = tempfile::tempdir_in(file_system).unwrap();
    // On blocks and off them, small and large.
    for size in [9, 20_000, 101_000, 999_999] {
        let path = folder.path().join("file");
        fs::write(&path, vec![0; size]).unwrap();
        let scratch = tempfile::tempfile_in(folder.path()).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let file = File::options().write(true).open(&path).unwrap();
                for byte in (0..=255).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    file.write_all_at(&vec![byte; size], 0).unwrap();
                }
            });
            for _ in 0..20 {
                let options = PackOptions { scratch: Some(&scratch), ..PackOptions::default() };
                let archive = tempfile::tempfile_in(folder.path()).unwrap();
                let (archive, _) = packed_into(archive, folder.path(), options);
                let data = fs::read(unpacked(&archive).path().join("file")).unwrap();
                assert!(data == vec![data[0]; size], "{size} bytes of several moments");
            }
            is_over.store(true, Ordering::Relaxed);
            writer.join().unwrap();
        });
    }
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_files_that_are_written_to_are_of_one_moment() {
    a_file_in_motion_is_of_one_moment("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_files_that_are_written_to_are_of_one_moment() {
    a_file_in_motion_is_of_one_moment("/mnt/xfs");
}

/// A file goes, and the next one has its number at once: no link leads from one to the other.
#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_ext4_inodes_whose_number_is_used_again_are_no_links() {
    let folder = tempfile::tempdir_in("/mnt/ext4").unwrap();
    let (archive, root) = (tempfile::tempfile().unwrap(), File::open(folder.path()).unwrap());
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let options = PackOptions { changes: ChangePolicy::List, ..PackOptions::default() };
    let mut packer = Packer::new(&mut writer, options, &mut ignore);
    let mut numbers = Vec::new();
    for name in ["one", "two"] {
        fs::write(folder.path().join(name), name).unwrap();
        fs::hard_link(folder.path().join(name), folder.path().join("link")).unwrap();
        numbers.push(fs::metadata(folder.path().join(name)).unwrap().ino());
        packer.pack_one(&root, name.as_ref(), name.into()).unwrap();
        fs::remove_file(folder.path().join(name)).unwrap();
        fs::remove_file(folder.path().join("link")).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(numbers[0], numbers[1]);
    assert_eq!(Reader::open(&archive).unwrap().map(|entry| entry.unwrap().member.size()).sum::<u64>(), 6);
}
