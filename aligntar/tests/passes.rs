//! An archive made in passes is the archive that would have been made at once, byte for byte, and takes no more space.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use aligntar::{ChangePolicy, Kind, Member, PackOptions, Packer, Transferred, WriteError, WriteOptions, Writer};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// What happens to a file of a name between two passes.
#[derive(Clone, Debug)]
enum Change {
    Write { name: u8, blocks: u32, seed: u8 },
    Overwrite { name: u8, at: u32, seed: u8 },
    Append { name: u8, bytes: u32 },
    Truncate { name: u8, length: u32 },
    Punch { name: u8, at: u32, length: u32 },
    Rename { from: u8, to: u8 },
    Link { from: u8, to: u8 },
    Remove { name: u8 },
    SetBack { name: u8 },
}

const NAMES: u8 = 9;

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = || 0..NAMES;
    let change = prop_oneof![
        4 => (name(), 0..60_u32, any::<u8>()).prop_map(|(name, blocks, seed)| Change::Write { name, blocks, seed }),
        3 => (name(), 0..200_000_u32, any::<u8>()).prop_map(|(name, at, seed)| Change::Overwrite { name, at, seed }),
        2 => (name(), 1..100_000_u32).prop_map(|(name, bytes)| Change::Append { name, bytes }),
        1 => (name(), 0..300_000_u32).prop_map(|(name, length)| Change::Truncate { name, length }),
        1 => (name(), 0..100_000_u32, 1..100_000_u32).prop_map(|(name, at, length)| Change::Punch { name, at, length }),
        2 => (name(), name()).prop_map(|(from, to)| Change::Rename { from, to }),
        1 => (name(), name()).prop_map(|(from, to)| Change::Link { from, to }),
        1 => name().prop_map(|name| Change::Remove { name }),
        1 => name().prop_map(|name| Change::SetBack { name }),
    ];
    vec(change, 0..8)
}

impl Change {
    fn make(&self, root: &Path) {
        let _makes_no_sense = self.try_make(root);
    }

    fn try_make(&self, root: &Path) -> std::io::Result<()> {
        // Some of them are in a directory.
        let at = |name: u8| root.join(if name.is_multiple_of(3) { format!("d/{name}") } else { name.to_string() });
        let open = |name: u8| File::options().write(true).open(at(name));
        match *self {
            Change::Write { name, blocks, seed } => fs::write(at(name), bytes(blocks as usize * 4099, seed)),
            Change::Overwrite { name, at: offset, seed } => {
                let file = open(name)?;
                let length = file.metadata()?.len().saturating_sub(offset.into()).min(5000);
                file.write_all_at(&bytes(length as usize, seed), offset.into())
            }
            Change::Append { name, bytes: count } => {
                let file = open(name)?;
                file.write_all_at(&bytes(count as usize, 3), file.metadata()?.len())
            }
            Change::Truncate { name, length } => open(name)?.set_len(length.into()),
            Change::Punch { name, at, length } => {
                let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
                Ok(rustix::fs::fallocate(open(name)?, flags, at.into(), length.into())?)
            }
            Change::Rename { from, to } => fs::rename(at(from), at(to)),
            Change::Link { from, to } => fs::hard_link(at(from), at(to)),
            Change::Remove { name } => fs::remove_file(at(name)),
            Change::SetBack { name } => open(name)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(7)),
        }
    }
}

fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at / 7) as u8 ^ seed | 1).collect()
}

fn pack(root: &Path, writer: &mut Writer<'_>) -> Result<(), WriteError> {
    let options = PackOptions { changes: ChangePolicy::List, ..PackOptions::default() };
    writer.append(&Member::new("first", Kind::Directory, 0o755))?;
    let inner = Member::new("inner.tar", Kind::Regular { size: 0 }, 0o644);
    writer.append_nested(&inner, |writer| {
        let mut ignore = |_: &[u8], _: Transferred| {};
        Packer::new(writer, options, &mut ignore).pack_tree(File::open(root).unwrap(), b".").unwrap();
        Ok::<_, WriteError>(())
    })
}

fn content(mut file: &File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn at_once(root: &Path, folder: &Path) -> File {
    let archive = tempfile::tempfile_in(folder).unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    pack(root, &mut writer).unwrap();
    writer.append_bytes(&Member::new("last", Kind::Regular { size: 3 }, 0o644), b"end").unwrap();
    writer.finish().unwrap();
    archive
}

fn in_passes(root: &Path, folder: &Path, passes: &[Vec<Change>]) -> (File, Transferred) {
    let archive = tempfile::tempfile_in(folder).unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    for changes in passes {
        writer.begin_pass().unwrap();
        pack(root, &mut writer).unwrap();
        changes.iter().for_each(|change| change.make(root));
    }
    writer.begin_last_pass().unwrap();
    pack(root, &mut writer).unwrap();
    let copied_last = writer.moved();
    writer.settle().unwrap();
    writer.append_bytes(&Member::new("last", Kind::Regular { size: 3 }, 0o644), b"end").unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(written.end, archive.metadata().unwrap().len());
    (archive, copied_last)
}

fn random_changes(sources: &Path, archives: &Path, cases: u32) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let strategy = (changes(), vec(changes(), 1..4));
    TestRunner::new(config)
        .run(&strategy, |(before, passes)| {
            let root = tempfile::tempdir_in(sources).unwrap();
            fs::create_dir(root.path().join("d")).unwrap();
            before.iter().for_each(|change| change.make(root.path()));
            let (archive, _) = in_passes(root.path(), archives, &passes);
            let expected = at_once(root.path(), archives);
            prop_assert!(content(&archive) == content(&expected), "other bytes");
            let blocks = [&archive, &expected].map(|file| {
                file.sync_all().unwrap();
                file.metadata().unwrap().blocks()
            });
            prop_assert!(blocks[0] <= blocks[1] + 16, "{blocks:?}");
            Ok(())
        })
        .unwrap();
}

/// The checkout's file system.
const HERE: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn random_changes_between_passes_are_all_taken() {
    random_changes(Path::new(HERE), Path::new(HERE), 40);
}

#[test]
fn so_they_are_in_memory() {
    random_changes(Path::new("/dev/shm"), Path::new("/dev/shm"), 40);
    random_changes(Path::new("/dev/shm"), Path::new(HERE), 20);
}

/// Packs in passes while `write` goes on in another thread, which has ended before the last one.
fn while_others_write(root: &Path, write: impl Fn() + Sync) {
    let archive = tempfile::tempfile_in(HERE).unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                write();
            }
        });
        for _ in 0..3 {
            writer.begin_pass().unwrap();
            pack(root, &mut writer).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    writer.begin_last_pass().unwrap();
    pack(root, &mut writer).unwrap();
    writer.append_bytes(&Member::new("last", Kind::Regular { size: 3 }, 0o644), b"end").unwrap();
    writer.finish().unwrap();
    assert!(content(&archive) == content(&at_once(root, Path::new(HERE))), "other bytes");
}

#[test]
fn what_a_writer_does_at_full_speed_is_taken_as_it_ended() {
    let root = tempfile::tempdir_in(HERE).unwrap();
    fs::create_dir(root.path().join("d")).unwrap();
    let changes = vec(changes(), 200..201).new_tree(&mut TestRunner::deterministic()).unwrap().current();
    let next = AtomicUsize::new(0);
    while_others_write(root.path(), || {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        changes[turn % changes.len()].iter().for_each(|change| change.make(root.path()));
        // One call that takes longer than the look at the file.
        fs::write(root.path().join("long"), bytes(20_000_000, turn as u8)).unwrap();
    });
}

/// A process that stores single bytes to a file through a shared mapping.
struct Mapping {
    python: Child,
}

impl Mapping {
    fn of(path: &Path) -> Self {
        const STORE: &str = "
import mmap, sys
file = open(sys.argv[1], 'r+b')
mapping = mmap.mmap(file.fileno(), 0)
for line in sys.stdin:
    at, byte = map(int, line.split())
    mapping[at] = byte
    print('stored', flush=True)
";
        let mut python = Command::new("python3");
        let python = python.args(["-c", STORE]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        Mapping { python: python.spawn().unwrap() }
    }

    fn store(&mut self, at: usize, byte: u8) {
        writeln!(self.python.stdin.as_mut().unwrap(), "{at} {byte}").unwrap();
        let mut said = [0; 7];
        self.python.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        drop(self.python.stdin.take());
        self.python.wait().unwrap();
    }
}

/// The page is dirty already when the first pass comes, and the times are old: the kernel tells of no store to it, until
/// it was written out.
#[test]
fn stores_to_dirty_pages_are_seen() {
    for sources in [HERE, "/dev/shm"] {
        let root = tempfile::tempdir_in(sources).unwrap();
        let path = root.path().join("mapped");
        fs::write(&path, bytes(200_000, 0)).unwrap();
        let mut mapping = Mapping::of(&path);
        mapping.store(5000, 8);
        thread::sleep(Duration::from_millis(2200));
        let archive = tempfile::tempfile_in(HERE).unwrap();
        let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
        writer.begin_pass().unwrap();
        pack(root.path(), &mut writer).unwrap();
        mapping.store(5000, 9);
        writer.begin_last_pass().unwrap();
        pack(root.path(), &mut writer).unwrap();
        writer.finish().unwrap();
        let found = content(&archive);
        let start = found.windows(16).position(|window| window == &bytes(16, 0)[..]).unwrap();
        assert_eq!(found[start + 5000], 9, "{sources}");
    }
}

/// Of a file with old times nothing is read but the bytes behind its last whole block: here it is known by the counts.
#[test]
fn a_file_that_did_not_change_is_not_copied_again() {
    let root = tempfile::tempdir_in(HERE).unwrap();
    fs::create_dir(root.path().join("d")).unwrap();
    fs::write(root.path().join("1"), bytes(1_000_000, 1)).unwrap();
    fs::write(root.path().join("2"), bytes(1_000_000, 2)).unwrap();
    fs::write(root.path().join("4"), bytes(10_000, 4)).unwrap();
    fs::write(root.path().join("5"), bytes(2_000, 5)).unwrap();
    let grows = vec![Change::Append { name: 1, bytes: 50_000 }];
    let (archive, copied_last) = in_passes(root.path(), Path::new(HERE), &[grows]);
    let tails = 1_000_000 % 4096 + 10_000 % 4096;
    assert_eq!(copied_last.copied_bytes, 1_050_000 + tails + 2_000, "all of what grew, and of what has no block");
    assert!(content(&archive) == content(&at_once(root.path(), Path::new(HERE))));
}

/// An ext4 of its own, with a journal: without one it gives a number again only after a minute (`recently_deleted` in
/// fs/ext4/ialloc.c).
struct Journaled(tempfile::TempDir);

impl Journaled {
    fn mounted() -> Self {
        let folder = tempfile::tempdir_in("/mnt/ext4").unwrap();
        let script = "truncate -s 32M image; mkfs.ext4 -q -F image; mkdir root; mount -o loop image root";
        let made = Command::new("bash").args(["-ec", script]).current_dir(folder.path()).status().unwrap();
        assert!(made.success());
        Journaled(folder)
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.root()).status();
    }
}

/// All that its owner can set is as before: name, size and mtime.
#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_ext4_a_file_with_the_number_of_another_is_not_taken_for_it() {
    let ext4 = Journaled::mounted();
    let folder = ext4.root().join("folder");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("file");
    fs::write(&path, bytes(200_000, 1)).unwrap();
    let before = fs::metadata(&path).unwrap();
    thread::sleep(Duration::from_millis(2200));
    let archive = tempfile::tempfile_in("/mnt/ext4").unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    for expected in [200_000, 200_000 % 4096] {
        writer.begin_pass().unwrap();
        pack(&folder, &mut writer).unwrap();
        assert_eq!(writer.moved().copied_bytes, expected, "the second pass knows it");
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes(200_000, 2)).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(before.modified().unwrap()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
    writer.begin_last_pass().unwrap();
    pack(&folder, &mut writer).unwrap();
    writer.append_bytes(&Member::new("last", Kind::Regular { size: 3 }, 0o644), b"end").unwrap();
    writer.finish().unwrap();
    assert!(content(&archive) == content(&at_once(&folder, Path::new("/mnt/ext4"))), "the removed file's bytes");
}
