//! Every way of unpacking makes the same tree: from a file or a stream, with one thread or many, as root or not.

mod tree;

use std::fs::{self, File, Permissions};
use std::io::Cursor;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use aligntar::{
    ClonePolicy, Kind, Limits, Member, PackOptions, Packer, PlainParents, Reader, Refusal, Resolver, Source,
    StreamSource, Transferred, UnpackError, UnpackOptions, Unpacker, WriteOptions, Writer,
};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn make_dir(path: PathBuf) -> PathBuf {
    fs::create_dir(&path).unwrap();
    path
}

fn unpack<S: Source>(
    mut reader: Reader<S>,
    target: &Path,
    options: UnpackOptions<'_>,
) -> Result<Transferred, UnpackError> {
    let (root, mut parents) = (File::open(target).unwrap(), PlainParents);
    let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents)?;
    while let Some(entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&entry, reader.source_mut())?;
    }
    unpacker.finish()
}

fn stream(archive: &File) -> Reader<StreamSource<Cursor<Vec<u8>>>> {
    let mut bytes = vec![0; archive.metadata().unwrap().len() as usize];
    archive.read_exact_at(&mut bytes, 0).unwrap();
    Reader::new(StreamSource::new(Cursor::new(bytes)), Limits::default())
}

#[test]
fn files_and_streams_and_threads_make_the_same_tree() {
    let folder = folder();
    let source = make_dir(folder.path().join("source"));
    tree::make(&source);
    for number in 0..300 {
        fs::write(source.join(format!("many {number}")), vec![number as u8; number * 200]).unwrap();
    }
    let archive = folder.path().join("x.tar");
    tree::pack(&source, &File::create(&archive).unwrap(), ClonePolicy::IfPossible);
    let expected = tree::describe(&source);
    for threads in [1, 2, 5] {
        for resolver in [Resolver::Openat2, Resolver::Components] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let options = UnpackOptions { owner: true, threads, resolver, ..UnpackOptions::default() };
            let archive = File::open(&archive).unwrap();
            for is_stream in [false, true] {
                let target = folder.path().join("target");
                fs::create_dir(&target).unwrap();
                let moved = match is_stream {
                    true => unpack(stream(&archive), &target, options),
                    false => unpack(Reader::open(&archive).unwrap(), &target, options),
                }
                .unwrap();
                assert_eq!(tree::describe(&target), expected, "{threads} threads, {resolver:?}, stream: {is_stream}");
                assert!(moved.hole_bytes >= 8 << 20, "{moved:?}");
                fs::remove_dir_all(&target).unwrap();
            }
        }
    }
}

/// An archive of files that each hold `data`.
fn archive_of(count: usize, data: &[u8]) -> File {
    let file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for number in 0..count {
        let member = Member::new(format!("f{number}"), Kind::Regular { size: data.len() as u64 }, 0o640);
        writer.append_bytes(&member, data).unwrap();
    }
    writer.finish().unwrap();
    file
}

#[test]
fn long_runs_of_zeros_from_a_stream_become_holes() {
    let folder = folder();
    let mut data = vec![0; 3 << 20];
    data[(1 << 20) + 5] = 1;
    let moved = unpack(stream(&archive_of(1, &data)), folder.path(), UnpackOptions::default()).unwrap();
    let expected = Transferred { copied_bytes: 64 << 10, hole_bytes: (3 << 20) - (64 << 10), ..Transferred::default() };
    assert_eq!(moved, expected);
    let made = folder.path().join("f0");
    assert!(made.metadata().unwrap().blocks() * 512 <= 128 << 10);
    assert_eq!(fs::read(made).unwrap(), data);
}

#[test]
fn streams_cannot_be_cloned() {
    let (folder, archive) = (folder(), archive_of(1, &[1; 8192]));
    let options = UnpackOptions { clone_policy: ClonePolicy::Required, ..UnpackOptions::default() };
    let error = unpack(stream(&archive), folder.path(), options).unwrap_err();
    assert!(matches!(error, UnpackError::Refused { why: Refusal::NotCloneable, .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_error_names_the_member_and_its_offset() {
    let folder = folder();
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    writer.append(&Member::new("fine", Kind::Directory, 0o755)).unwrap();
    writer.append(&Member::new("l", Kind::Symlink { target: b"/".to_vec() }, 0o777)).unwrap();
    writer.append(&Member::new("l/x", Kind::Fifo, 0o644)).unwrap();
    writer.finish().unwrap();
    let error = unpack(Reader::open(&file).unwrap(), folder.path(), UnpackOptions::default()).unwrap_err();
    let text = "member \"l/x\" at offset 1024 is refused: its path leads through a symbolic link";
    assert_eq!(error.to_string(), text);
}

#[test]
fn directories_wait_within_a_limit() {
    let folder = folder();
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for number in 0..1000 {
        writer.append(&Member::new(format!("d{number}"), Kind::Directory, 0o755)).unwrap();
    }
    writer.finish().unwrap();
    let options = UnpackOptions { pending_bytes: 100_000, ..UnpackOptions::default() };
    let error = unpack(Reader::open(&file).unwrap(), folder.path(), options).unwrap_err();
    let expected = Refusal::TooManyDirectories { limit: 100_000 };
    assert!(matches!(error, UnpackError::Refused { why, .. } if why == expected), "{error}");
}

/// A packer tells beforehand what an unpacker will take.
#[test]
fn directories_take_what_their_packer_said() {
    let [source, target] = [folder(), folder()];
    for number in 0..100 {
        fs::create_dir_all(source.path().join(format!("a/directory-{number}"))).unwrap();
    }
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let mut packer = Packer::new(&mut writer, PackOptions::default(), &mut ignore);
    packer.pack_tree(File::open(source.path()).unwrap(), b".").unwrap();
    let told = packer.directory_bytes();
    writer.finish().unwrap();
    let unpack = |pending_bytes| {
        let options = UnpackOptions { pending_bytes, ..UnpackOptions::default() };
        unpack(Reader::open(&file).unwrap(), target.path(), options)
    };
    unpack(told).unwrap();
    // The root has no name then, and one in the archive.
    unpack(told - 2).unwrap_err();
}

/// Run by root, this shows little: see below.
#[test]
fn modes_that_shut_out_their_owner_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    let directories = [("a", 0o500), ("a/b", 0o000), ("a/c", 0o300)];
    for (path, mode) in directories {
        writer.append(&Member::new(path, Kind::Directory, mode)).unwrap();
        let mut member = Member::new(format!("{path}/file"), Kind::Regular { size: 1 }, 0o000);
        member.xattrs.push(aligntar::Xattr { name: b"user.a".to_vec(), value: b"b".to_vec() });
        writer.append_bytes(&member, b"x").unwrap();
    }
    writer.finish().unwrap();
    unpack(Reader::open(&file).unwrap(), folder.path(), UnpackOptions::default()).unwrap();
    for (path, mode) in directories {
        let path = folder.path().join(path);
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, mode, "{}", path.display());
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        assert_eq!(path.join("file").metadata().unwrap().mode() & 0o7777, 0);
    }
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_modes_that_shut_out_their_owner_come_last_without_rights() {
    // `nobody`, who cannot override a mode.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "modes_that_shut_out_their_owner_come_last"]).uid(65534).gid(65534).current_dir("/");
    let output = command.env("TMPDIR", "/tmp").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
