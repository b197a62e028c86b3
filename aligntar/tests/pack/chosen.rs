//! What the options choose: prefixes, owners and times, what is left out.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;

use aligntar::{Kind, MtimePolicy, PackOptions, Packer, SocketPolicy, Timestamp, WriteOptions, Writer};

use crate::{entries, folder, names, pack_tree, packed, tree};

#[test]
fn several_trees_have_a_prefix_each_and_share_links() {
    let folder = folder();
    for name in ["one", "two"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    fs::write(folder.path().join("one/file"), b"data").unwrap();
    fs::hard_link(folder.path().join("one/file"), folder.path().join("two/link")).unwrap();
    let archive = packed(WriteOptions::default(), PackOptions::default(), |packer| {
        for (name, prefix) in [("one", &b"usr/one"[..]), ("two", b"two")] {
            packer.pack_tree(File::open(folder.path().join(name)).unwrap(), prefix).unwrap();
        }
    });
    assert_eq!(names(&archive), ["usr/one", "usr/one/file", "two", "two/link"]);
    assert_eq!(entries(&archive)[3].member.kind, Kind::HardLink { target: b"usr/one/file".to_vec() });
}

#[test]
fn owner_and_times_can_be_fixed() {
    let folder = folder();
    for (name, secs) in [("old", 1000), ("new", 2000)] {
        fs::write(folder.path().join(name), name).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
        File::options().write(true).open(folder.path().join(name)).unwrap().set_modified(time).unwrap();
    }
    let time = |secs| Timestamp { secs, nanos: 0 };
    for (mtime, expected) in [(MtimePolicy::Clamp(time(1500)), [1500, 1000]), (MtimePolicy::Set(time(7)), [7, 7])] {
        for readers in [0, 2] {
            let options = PackOptions { owner: Some((5_000_000, 6)), mtime, readers, ..PackOptions::default() };
            let entries = entries(&pack_tree(folder.path(), options));
            let owners: Vec<_> = entries.iter().map(|entry| (entry.member.uid, entry.member.gid)).collect();
            let times: Vec<_> = entries[1..].iter().map(|entry| entry.member.mtime).collect();
            assert_eq!(owners, [(5_000_000, 6); 3]);
            assert_eq!(times, expected.map(time));
        }
    }
}

#[test]
fn what_is_excluded_is_left_out_with_all_below_it() {
    let folder = folder();
    tree::make(folder.path());
    let options = PackOptions { exclude: &|path| path == b"a/b" || path.starts_with(b"l"), ..PackOptions::default() };
    let names = entries(&pack_tree(folder.path(), options)).into_iter().map(|entry| entry.member.path);
    let names: Vec<_> = names.collect();
    assert!(names.contains(&b"a/small".to_vec()) && names.contains(&b"hard".to_vec()));
    assert!(!names.iter().any(|path| path.starts_with(b"a/b") || path.starts_with(b"l")), "{names:?}");
}

#[test]
fn sockets_are_an_error_or_listed() {
    let folder = folder();
    let _listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    let mut archive = Vec::new();
    let mut writer = Writer::to_stream(&mut archive, WriteOptions::default()).unwrap();
    let mut ignore = |_: &[u8], _| {};
    let root = File::open(folder.path()).unwrap();
    let error = Packer::new(&mut writer, PackOptions::default(), &mut ignore).pack_tree(&root, b".").unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
    let options = PackOptions { sockets: SocketPolicy::Omit, ..PackOptions::default() };
    let mut packer = Packer::new(&mut writer, options, &mut ignore);
    packer.pack_tree(&root, b".").unwrap();
    assert_eq!(packer.omitted_sockets(), [b"socket"]);
}

#[test]
fn files_are_left_out_by_what_they_are() {
    let folder = folder();
    for name in ["first", "other"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    fs::hard_link(folder.path().join("first"), folder.path().join("second")).unwrap();
    let root = File::open(folder.path()).unwrap();
    let stat = rustix::fs::stat(folder.path().join("first")).unwrap();
    for readers in [0, 2] {
        let options = PackOptions { omit: &[(stat.st_dev, stat.st_ino)], readers, ..PackOptions::default() };
        let archive = packed(WriteOptions::default(), options, |packer| {
            packer.pack_tree(&root, b".").unwrap();
            packer.pack_one(&root, "second".as_ref(), b"once more".to_vec()).unwrap();
            assert_eq!(packer.omitted_files(), [&b"first"[..], b"second", b"once more"]);
        });
        assert_eq!(names(&archive), [".", "other"]);
    }
}
