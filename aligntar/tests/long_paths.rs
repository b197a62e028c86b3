//! Paths that no system call takes: 45 nested folders of 100 letters each.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};

use aligntar::{
    ClonePolicy, Kind, Member, PlainParents, Reader, Resolver, UnpackOptions, Unpacker, WriteOptions, Writer,
};
use rustix::fs::{AtFlags, Mode, OFlags, fstat, openat, statat, unlinkat};

const DEPTH: usize = 45;

fn name() -> String {
    "n".repeat(100)
}

fn open(parent: &impl AsFd) -> OwnedFd {
    openat(parent, name(), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
}

/// The innermost folder of the tree in `root`.
fn deepest(root: &File) -> OwnedFd {
    (1..DEPTH).fold(open(root), |parent, _| open(&parent))
}

/// From the innermost on, with what is in them: `remove_dir_all` is not to be trusted with such paths.
fn remove(parent: &impl AsFd, depth: usize) {
    if depth > 0 {
        let inner = open(parent);
        remove(&inner, depth - 1);
        unlinkat(parent, name(), AtFlags::REMOVEDIR).unwrap();
    } else {
        for file in ["file", "link", "soft", "long"] {
            unlinkat(parent, file, AtFlags::empty()).unwrap();
        }
    }
}

#[test]
fn trees_with_paths_beyond_path_max_come_and_go() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let archive = tempfile::tempfile().unwrap();
    let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
    let path = |depth| vec![name(); depth].join("/");
    for depth in 1..=DEPTH {
        // The last one is left to be made for its files.
        if depth < DEPTH {
            writer.append(&Member::new(path(depth), Kind::Directory, 0o750)).unwrap();
        }
    }
    let inner = path(DEPTH);
    let file = |name: &str, size| Member::new(format!("{inner}/{name}"), Kind::Regular { size }, 0o640);
    writer.append_bytes(&file("file", 4), b"text").unwrap();
    writer.append_bytes(&file("long", 300_000), &vec![b'x'; 300_000]).unwrap();
    let target = format!("{inner}/file").into_bytes();
    writer.append(&Member::new(format!("{inner}/link"), Kind::HardLink { target }, 0o640)).unwrap();
    writer.append(&Member::new(format!("{inner}/soft"), Kind::Symlink { target: b"file".to_vec() }, 0o777)).unwrap();
    writer.finish().unwrap();

    let root = File::open(folder.path()).unwrap();
    for (threads, resolver) in [(1, Resolver::Openat2), (3, Resolver::Components)] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let options =
            UnpackOptions { threads, resolver, clone_policy: ClonePolicy::IfPossible, ..UnpackOptions::default() };
        let mut parents = PlainParents;
        let mut unpacker = Unpacker::new(root.as_fd(), options, &mut parents).unwrap();
        let mut reader = Reader::open(&archive).unwrap();
        while let Some(entry) = reader.next_entry().unwrap() {
            unpacker.unpack(&entry, reader.source_mut()).unwrap();
        }
        unpacker.finish().unwrap();
        let inner = deepest(&root);
        let stat = |name| statat(&inner, name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        assert_eq!((stat("file").st_ino, stat("file").st_size), (stat("link").st_ino, 4));
        assert_eq!(stat("long").st_size, 300_000);
        let outer = (2..DEPTH).fold(open(&root), |parent, _| open(&parent));
        assert_eq!(fstat(&outer).unwrap().st_mode & 0o7777, 0o750);
        drop((inner, outer));
        remove(&root, DEPTH);
    }
}
