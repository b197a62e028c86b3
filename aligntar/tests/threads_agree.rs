//! Threads change nothing but the time: whatever members follow one another, the tree is that of one thread.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use aligntar::{Kind, Member, PlainParents, Reader, UnpackError, UnpackOptions, Unpacker, WriteOptions, Writer};
use proptest::prelude::*;

/// Few names, so that most members have to do with one before.
const NAMES: [&str; 9] = ["a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "f/a"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

fn member() -> impl Strategy<Value = (&'static str, Kind)> {
    let target = |name: &str| name.as_bytes().to_vec();
    let kind = prop_oneof![
        // Some go through memory, some do not.
        8 => prop_oneof![Just(1), Just(700), Just(40_000)].prop_map(|size| Kind::Regular { size }),
        8 => name().prop_map(move |name| Kind::HardLink { target: target(name) }),
        2 => Just(Kind::Directory),
        2 => name().prop_map(move |name| Kind::Symlink { target: target(name) }),
    ];
    (name(), kind)
}

/// A file's data is its number, so that one of the same name is another one.
fn archive(members: &[(&str, Kind)]) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for (number, (name, kind)) in members.iter().enumerate() {
        let member = Member::new(*name, kind.clone(), 0o755);
        match kind {
            Kind::Regular { size } => writer.append_bytes(&member, &vec![number as u8 + 1; *size as usize]).unwrap(),
            _ => writer.append(&member).unwrap(),
        };
    }
    writer.finish().unwrap();
    file
}

/// Goes on after errors; gives what was wrong with which member, by their offsets. Of those that come to light in the end,
/// only the first is told.
fn unpack(archive: &File, target: &Path, threads: usize, pause: Duration) -> BTreeMap<u64, String> {
    let root = File::open(target).unwrap();
    let mut parents = PlainParents;
    let options = UnpackOptions { threads: NonZeroUsize::new(threads).unwrap(), ..UnpackOptions::default() };
    let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents).unwrap();
    let mut reader = Reader::open(archive).unwrap();
    let mut errors = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        while let Err(error) = unpacker.unpack(&entry, reader.source_mut()) {
            let offset = offset_of(&error);
            errors.insert(offset, error.to_string());
            // Where it is of a member before, this one has not been begun.
            if offset == entry.header_offset {
                break;
            }
        }
        sleep(pause);
    }
    if let Err(error) = unpacker.finish() {
        errors.insert(offset_of(&error), error.to_string());
    }
    errors
}

fn offset_of(error: &UnpackError) -> u64 {
    match error {
        UnpackError::Refused { offset, .. } | UnpackError::Call { offset, .. } | UnpackError::Parent { offset, .. } => {
            *offset
        }
        other => panic!("{other}"),
    }
}

/// Paths, what they are, and which of them are one file.
fn tree(target: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut first = BTreeMap::new();
    let mut folders = vec![target.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let metadata = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(target).unwrap().display().to_string();
            found.push(match metadata.file_type() {
                kind if kind.is_dir() => format!("{name}/"),
                kind if kind.is_symlink() => format!("{name} -> {}", fs::read_link(&path).unwrap().display()),
                _ => {
                    let bytes = fs::read(&path).unwrap();
                    let same = first.entry(metadata.ino()).or_insert(name.clone());
                    format!("{name} = {same}: {} times {:?}", bytes.len(), bytes.first())
                }
            });
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// A thread leaves the link to the calling one, since there is an `e/c`. When that takes it up, the file in place of its
/// target's directory is on its way, and cannot be made: an error that has nothing to do with the link.
#[test]
fn a_link_that_came_back_is_made_whatever_else_fails() {
    let file = Kind::Regular { size: 1 };
    let archive = archive(&[
        ("d", Kind::Directory),
        ("e", Kind::Directory),
        ("e/c", file.clone()),
        ("d/b", file.clone()),
        ("e/c", Kind::HardLink { target: b"d/b".to_vec() }),
        ("d", file.clone()),
        ("a", file),
    ]);
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // Long enough for the thread to have done what it was given.
    let errors = unpack(&archive, target.path(), 2, Duration::from_millis(50));
    assert_eq!(
        tree(target.path()),
        ["a = a: 1 times Some(7)", "d/", "e/", "e/c = e/c: 1 times Some(4)", "d/b = e/c: 1 times Some(4)"]
    );
    assert_eq!(errors.len(), 1, "{errors:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn the_tree_is_that_of_one_thread(members in prop::collection::vec(member(), 1..40)) {
        let archive = archive(&members);
        let outcome = |threads| {
            let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let errors = unpack(&archive, target.path(), threads, Duration::ZERO);
            (tree(target.path()), errors)
        };
        let (expected, all_errors) = outcome(1);
        for threads in [2, 4] {
            let (tree, errors) = outcome(threads);
            prop_assert_eq!(&tree, &expected);
            prop_assert_eq!(errors.is_empty(), all_errors.is_empty());
            prop_assert!(errors.iter().all(|(offset, error)| all_errors.get(offset) == Some(error)), "{:?} {:?}", errors, all_errors);
        }
    }
}
