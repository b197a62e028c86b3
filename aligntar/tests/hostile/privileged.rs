//! What only root can make, and the other cases where root makes them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::archive::{field, put};
use crate::case::{self, Case, case};
use crate::world::World;

/// `struct vfs_cap_data` of revision 2 with CAP_CHOWN, linux/capability.h.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

fn cases() -> Vec<Case> {
    vec![
        case("devices", |tar| tar.device("zero", b'3', 1, 5).device("loop", b'4', 7, 0))
            .keeping_owners()
            .leaves(&["loop b 7:0", "zero c 1:5"]),
        case("below a device", |tar| tar.device("zero", b'3', 1, 5).file("zero/x", b"x"))
            .refused("ThroughFile")
            .leaves(&["zero c 1:5"]),
        case("a device by a file", |tar| tar.device("null", b'3', 1, 3).file("null", b"x")).leaves(&["null = x"]),
        case("set-id bits of an owner", |tar| {
            tar.pax(&[(b"uid", b"70000"), (b"gid", b"3000000000")])
                .changed_file("a", b"x", |header| put(header, field::MODE, b"0006755"))
        })
        .keeping_owners()
        .leaves(&["a = x (6755)"])
        .also(|world| assert_eq!(owner(world, "a"), (70_000, 3_000_000_000))),
        case("set-id bits of a directory of an owner", |tar| {
            tar.pax(&[(b"uid", b"7")])
                .header(b"a", b'5', 0, |header| put(header, field::MODE, b"0002755"))
                .file("a/b", b"x")
        })
        .keeping_owners()
        .leaves(&["a/ (2755)", "a/b = x"])
        .also(|world| assert_eq!((owner(world, "a"), owner(world, "a/b")), ((7, 0), (0, 0)))),
        case("set-id bits are not for whoever unpacks", |tar| {
            tar.pax(&[(b"uid", b"7")]).changed_file("a", b"x", |header| put(header, field::MODE, b"0004755"))
        })
        .leaves(&["a = x (755)"])
        .also(|world| assert_eq!(owner(world, "a"), (0, 0))),
        case("the owner of a link is the link's", |tar| tar.pax(&[(b"uid", b"7")]).symlink("l", "../outside/secret"))
            .keeping_owners()
            .leaves(&["l -> ../outside/secret"])
            .also(|world| assert_eq!(owner(world, "l"), (7, 0))),
        case("capabilities survive the change of owner", |tar| {
            let records: [(&[u8], &[u8]); 2] = [(b"uid", b"7"), (b"SCHILY.xattr.security.capability", CAPABILITY)];
            tar.pax(&records).file("a", b"x")
        })
        .keeping_owners()
        .keeping_xattrs()
        .leaves(&["a = x"])
        .also(|world| assert_eq!(xattr(world, "a", "security.capability").as_deref(), Some(CAPABILITY))),
        case("markers of an overlay that were asked for", |tar| {
            tar.pax(&[(b"SCHILY.xattr.trusted.overlay.opaque", b"y")]).directory("a")
        })
        .keeping_xattrs()
        .leaves(&["a/"])
        .also(|world| assert_eq!(xattr(world, "a", "trusted.overlay.opaque").as_deref(), Some(&b"y"[..]))),
        case("markers of an overlay that were not", |tar| {
            tar.pax(&[(b"SCHILY.xattr.trusted.overlay.opaque", b"y")]).directory("a")
        })
        .leaves(&["a/"])
        .also(|world| assert_eq!(xattr(world, "a", "trusted.overlay.opaque"), None)),
    ]
}

fn owner(world: &World, name: &str) -> (u32, u32) {
    let metadata = world.target().join(name).symlink_metadata().unwrap();
    (metadata.uid(), metadata.gid())
}

fn xattr(world: &World, path: &str, name: &str) -> Option<Vec<u8>> {
    let mut value = [0; 100];
    match rustix::fs::lgetxattr(world.target().join(path), name, &mut value[..]) {
        Ok(len) => Some(value[..len].to_vec()),
        Err(errno) => {
            assert_eq!(errno, rustix::io::Errno::NODATA);
            None
        }
    }
}

fn run(folder: &str) {
    let tables = [crate::names::cases(), crate::replaced::cases(), crate::damaged::cases(), cases()];
    case::run(&tables.into_iter().flatten().collect::<Vec<_>>(), Path::new(folder));
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_hostile_archives() {
    run("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_hostile_archives() {
    run("/mnt/xfs");
}
