//! Threads change nothing but the time: whatever members follow one another, the tree is that of one thread.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use aligntar::{
    Kind, Member, PlainParents, Reader, ShownName, UnpackError, UnpackObserver, UnpackOptions, Unpacker, WriteOptions,
    Writer, Xattr,
};
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

/// A file's data is its number, so that one of the same name is another one. Every third symbolic link has an attribute
/// that links cannot have (xattr(7)).
fn archive(members: &[(&str, Kind)]) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for (number, (name, kind)) in members.iter().enumerate() {
        let mut member = Member::new(*name, kind.clone(), 0o755);
        if number % 3 == 0 && matches!(kind, Kind::Symlink { .. }) {
            member.xattrs.push(Xattr { name: b"user.a".to_vec(), value: b"b".to_vec() });
        }
        match kind {
            Kind::Regular { size } => writer.append_bytes(&member, &vec![number as u8 + 1; *size as usize]).unwrap(),
            _ => writer.append(&member).unwrap(),
        };
    }
    writer.finish().unwrap();
    file
}

/// What an observer hears: of which member, by its offset, and what; and which links are followed, of which several can
/// have one name, one after the other.
#[derive(Debug, Default, PartialEq)]
struct Told {
    errors: BTreeMap<u64, Vec<String>>,
    followed: BTreeMap<String, usize>,
}

impl UnpackObserver for Told {
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError> {
        let errors = self.errors.entry(error.offset().unwrap()).or_default();
        errors.push(error.to_string());
        errors.sort();
        Ok(())
    }

    fn followed(&mut self, link: ShownName, target: ShownName) {
        *self.followed.entry(format!("{link} -> {target}")).or_default() += 1;
    }
}

fn unpack(archive: &File, target: &Path, threads: usize, pause: Duration) -> Told {
    let root = File::open(target).unwrap();
    let (mut parents, mut told) = (PlainParents, Told::default());
    let options = UnpackOptions { threads: NonZeroUsize::new(threads).unwrap(), ..UnpackOptions::default() };
    let mut unpacker = Unpacker::with_observer(root.as_fd(), options, &mut parents, &mut told).unwrap();
    let mut reader = Reader::open(archive).unwrap();
    while let Some(entry) = reader.next_entry().unwrap() {
        unpacker.unpack(&entry, reader.source_mut()).unwrap();
        sleep(pause);
    }
    unpacker.finish().unwrap();
    told
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
    let told = unpack(&archive, target.path(), 2, Duration::from_millis(50));
    assert_eq!(
        tree(target.path()),
        ["a = a: 1 times Some(7)", "d/", "e/", "e/c = e/c: 1 times Some(4)", "d/b = e/c: 1 times Some(4)"]
    );
    assert_eq!(told.errors.len(), 1, "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn the_tree_is_that_of_one_thread(members in prop::collection::vec(member(), 1..40)) {
        let archive = archive(&members);
        let outcome = |threads| {
            let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            let told = unpack(&archive, target.path(), threads, Duration::ZERO);
            (tree(target.path()), told)
        };
        let (expected, all_told) = outcome(1);
        for threads in [2, 4] {
            let (tree, told) = outcome(threads);
            prop_assert_eq!(&tree, &expected);
            prop_assert_eq!(&told, &all_told);
        }
    }
}
