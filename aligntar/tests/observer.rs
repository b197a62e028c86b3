//! What an unpacker does about members that cannot be made as the archive has them, when an observer hears of them.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions as FsPermissions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use aligntar::{
    FileSource, Kind, Member, Permissions, PlainParents, Reader, ShownName, Timestamp, Transferred, UnpackError,
    UnpackObserver, UnpackOptions, Unpacker, WriteOptions, Writer, Xattr,
};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A file's data is its path.
fn archive(members: &[Member]) -> File {
    let file = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for member in members {
        match member.kind {
            Kind::Regular { .. } => writer.append_bytes(member, &member.path).unwrap(),
            _ => writer.append(member).unwrap(),
        };
    }
    writer.finish().unwrap();
    file
}

fn file(path: &str) -> Member {
    Member::new(path, Kind::Regular { size: path.len() as u64 }, 0o644)
}

fn directory(path: &str) -> Member {
    Member { mtime: Timestamp { secs: 77, nanos: 5 }, ..Member::new(path, Kind::Directory, 0o750) }
}

fn link(path: &str, target: &str) -> Member {
    Member::new(path, Kind::HardLink { target: target.into() }, 0o644)
}

fn soft(path: &str, target: &str) -> Member {
    Member::new(path, Kind::Symlink { target: target.into() }, 0o777)
}

fn with_xattr(member: Member, name: &str, value: &[u8]) -> Member {
    Member { xattrs: vec![Xattr { name: name.into(), value: value.to_vec() }], ..member }
}

/// Errors and links by what is said of them.
#[derive(Default)]
struct Heard {
    failed: Vec<String>,
    followed: Vec<String>,
    limit: Option<usize>,
}

impl UnpackObserver for Heard {
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError> {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        self.failed.push(format!("{error}{source}"));
        if Some(self.failed.len()) == self.limit { Err(error) } else { Ok(()) }
    }

    fn followed(&mut self, link: ShownName, target: ShownName) {
        self.followed.push(format!("{link} -> {target}"));
    }
}

/// Unpacks `members`; `between` is called before each with its number.
fn unpack_with(
    members: &[Member],
    target: &Path,
    options: UnpackOptions<'_>,
    heard: &mut Heard,
    mut between: impl FnMut(usize),
) -> Result<Transferred, UnpackError> {
    let archive = archive(members);
    let (root, mut parents) = (File::open(target).unwrap(), PlainParents);
    let mut unpacker = Unpacker::with_observer(root.as_fd(), options, &mut parents, heard)?;
    let mut source = FileSource::new(&archive).unwrap();
    let unpacked = Reader::open(&archive).unwrap().enumerate().try_for_each(|(number, entry)| {
        between(number);
        unpacker.unpack(&entry.unwrap(), &mut source).map(drop)
    });
    between(members.len());
    let finished = unpacker.finish();
    unpacked.and(finished)
}

fn unpack(members: &[Member], target: &Path, options: UnpackOptions<'_>) -> Heard {
    let mut heard = Heard::default();
    unpack_with(members, target, options, &mut heard, |_| ()).unwrap();
    heard
}

fn mode(path: PathBuf) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// What `target` holds: text of files by path, and which are one.
fn files(target: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![target.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() {
                let name = path.strip_prefix(target).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn what_cannot_be_set_is_told_and_the_file_stays() {
    let folder = folder();
    let mut nobodys = file("nobodys");
    nobodys.uid = u64::MAX;
    nobodys.mode = 0o6755;
    let acl = "system.posix_acl_access";
    let members = [
        with_xattr(file("acl"), acl, b"none"),
        with_xattr(soft("soft", "acl"), "user.a", b"b"),
        with_xattr(directory("d"), "system.posix_acl_default", b"none"),
        nobodys,
        file("d/last"),
    ];
    // Only root may give files away.
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    let options = UnpackOptions { owner: is_root, ..UnpackOptions::default() };
    let heard = unpack(&members, folder.path(), options);
    let said = heard.failed.join("\n");
    assert!(said.contains("member \"acl\" at offset 0: set its attribute system.posix_acl_access: "), "{said}");
    assert!(said.contains("set its attribute user.a: Operation not permitted"), "{said}");
    assert!(said.contains("\"d\"") && said.contains("set its attribute system.posix_acl_default: "), "{said}");
    if is_root {
        assert!(said.contains("\"nobodys\"") && said.contains("no number that Linux has"), "{said}");
        assert_eq!(heard.failed.len(), 4, "{said}");
    }
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(names, ["acl", "d/last", "nobodys"]);
    assert_eq!(fs::read_link(folder.path().join("soft")).unwrap(), Path::new("acl"));
    // Without its ACL the group has nothing, without its owner a file no set-id bits; all else is there.
    assert_eq!(mode(folder.path().join("acl")), 0o604);
    assert_eq!(mode(folder.path().join("nobodys")), 0o755);
    assert_eq!((mode(folder.path().join("d")), folder.path().join("d").metadata().unwrap().mtime()), (0o750, 77));
}

#[test]
fn directories_get_their_modes_and_times_also_after_the_error_that_ends_it() {
    let folder = folder();
    let members = [directory("d"), directory("d/e"), file("d/e/f"), file("d/e/f/g"), file("d/never")];
    let mut heard = Heard { limit: Some(1), ..Heard::default() };
    let error = unpack_with(&members, folder.path(), UnpackOptions::default(), &mut heard, |_| ()).unwrap_err();
    assert!(error.to_string().contains("d/e/f/g"), "{error}");
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["d/e/f"]);
    for path in ["d", "d/e"] {
        let metadata = folder.path().join(path).metadata().unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime(), metadata.mtime_nsec()), (0o750, 77, 5), "{path}");
    }
}

#[test]
fn hard_links_wait_for_targets_that_come_later() {
    let folder = folder();
    let members = [
        link("a", "b"),
        link("b", "c"),
        link("taken", "c"),
        link("nowhere", "none"),
        link("d/x", "e/none"),
        link("one", "other"),
        link("other", "one"),
        file("c"),
        file("taken"),
    ];
    let heard = unpack(&members, folder.path(), UnpackOptions::default());
    let inode = |name: &str| folder.path().join(name).metadata().unwrap().ino();
    assert_eq!((inode("a"), inode("b")), (inode("c"), inode("c")));
    let expected = [("a", "c"), ("b", "c"), ("c", "c"), ("taken", "taken")];
    assert_eq!(files(folder.path()), expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    let missing: Vec<_> = heard.failed.iter().filter_map(|said| said.split('"').nth(1)).collect();
    assert_eq!(missing, ["nowhere", "d/x", "one", "other"], "{:?}", heard.failed);
    assert!(heard.failed.iter().all(|said| said.ends_with("No such file or directory (os error 2)")));
}

#[test]
fn links_of_this_run_are_followed_beneath_the_target_and_reported_once() {
    let folder = folder();
    fs::create_dir_all(folder.path().join("old")).unwrap();
    symlink("old", folder.path().join("foreign")).unwrap();
    let members = [
        directory("usr"),
        directory("usr/lib"),
        soft("lib", "usr/lib"),
        file("lib/a"),
        directory("lib/sub"),
        file("lib/sub/b"),
        link("lib/c", "lib/a"),
        file("lib/new/d"),
        file("foreign/e"),
        soft("up", "../.."),
        file("up/f"),
        // From here on another one.
        file("lib"),
        file("lib/g"),
    ];
    let heard = unpack(&members, folder.path(), UnpackOptions::default());
    assert_eq!(heard.followed, ["lib -> usr/lib"]);
    let refused: Vec<_> = heard.failed.iter().map(|said| (said.split('"').nth(1).unwrap(), said)).collect();
    assert_eq!(refused.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["foreign/e", "up/f", "lib/g"]);
    assert!(refused[1].1.contains("out of the directory"), "{refused:?}");
    let names: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(names, ["lib", "usr/lib/a", "usr/lib/c", "usr/lib/new/d", "usr/lib/sub/b"]);
    assert_eq!(mode(folder.path().join("usr/lib/sub")), 0o750);
}

#[test]
fn a_link_that_somebody_else_swaps_is_not_followed() {
    let folder = folder();
    let target = folder.path().join("target");
    fs::create_dir_all(target.join("d")).unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    let swap = |number| {
        if number == 2 {
            symlink("../outside", target.join("new")).unwrap();
            fs::rename(target.join("new"), target.join("l")).unwrap();
        }
    };
    let members = [soft("l", "d"), file("l/a"), file("l/x/b")];
    let mut heard = Heard::default();
    unpack_with(&members, &target, UnpackOptions::default(), &mut heard, swap).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 0);
    assert_eq!(files(&target).into_keys().collect::<Vec<_>>(), ["d/a"]);
    assert!(heard.failed.len() == 1 && heard.failed[0].contains("through a symbolic link"), "{:?}", heard.failed);
}

#[test]
fn a_directory_that_somebody_else_swaps_is_left_as_it_is() {
    let folder = folder();
    fs::create_dir(folder.path().join("precious")).unwrap();
    fs::set_permissions(folder.path().join("precious"), FsPermissions::from_mode(0o700)).unwrap();
    let swap = |number| {
        if number == 2 {
            fs::rename(folder.path().join("d"), folder.path().join("gone")).unwrap();
            fs::rename(folder.path().join("precious"), folder.path().join("d")).unwrap();
        }
    };
    let mut heard = Heard::default();
    let members = [directory("d"), file("d/a")];
    unpack_with(&members, folder.path(), UnpackOptions::default(), &mut heard, swap).unwrap();
    assert_eq!(mode(folder.path().join("d")), 0o700);
    assert!(heard.failed.len() == 1 && heard.failed[0].contains("taken its place"), "{:?}", heard.failed);
}

/// Another process puts a further name of a FIFO outside in the place of each that is made, again and again.
#[test]
fn a_fifo_that_somebody_else_swaps_is_left_as_it_is() {
    let folder = folder();
    let (outside, target) = (folder.path().join("outside"), folder.path().join("target"));
    fs::create_dir(&target).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &outside, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let before = outside.metadata().unwrap();
    let members: Vec<_> = (0..5000).map(|_| Member::new("p", Kind::Fifo, 0o666)).collect();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let mut heard = Heard::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                fs::hard_link(&outside, target.join("swap")).unwrap();
                fs::rename(target.join("swap"), target.join("p")).unwrap();
                let _ = fs::remove_file(target.join("swap"));
            }
        });
        unpack_with(&members, &target, UnpackOptions::default(), &mut heard, |_| ()).unwrap();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let after = outside.metadata().unwrap();
    assert_eq!((after.mode(), after.mtime(), after.uid()), (before.mode(), before.mtime(), before.uid()));
}

#[test]
fn new_folders_below_a_setgid_folder_keep_the_bit() {
    let folder = folder();
    fs::set_permissions(folder.path(), FsPermissions::from_mode(0o2775)).unwrap();
    let members = [directory("d"), directory("d/e"), file("d/e/f")];
    for permissions in [Permissions::Exact, Permissions::LessUmask(0o027)] {
        let heard = unpack(&members, folder.path(), UnpackOptions { permissions, ..UnpackOptions::default() });
        assert!(heard.failed.is_empty(), "{:?}", heard.failed);
        assert_eq!([mode(folder.path().join("d")), mode(folder.path().join("d/e"))], [0o2750; 2], "{permissions:?}");
        fs::remove_dir_all(folder.path().join("d")).unwrap();
    }
}

#[test]
fn a_umask_takes_its_bits_from_every_mode() {
    let folder = folder();
    let wide = |path: &str, kind| Member::new(path, kind, 0o7777);
    let members = [wide("d", Kind::Directory), wide("d/f", Kind::Regular { size: 3 }), wide("d/p", Kind::Fifo)];
    let options = UnpackOptions { permissions: Permissions::LessUmask(0o027), ..UnpackOptions::default() };
    unpack(&members, folder.path(), options);
    for path in ["d", "d/f", "d/p"] {
        assert_eq!(mode(folder.path().join(path)), 0o750, "{path}");
    }
}
