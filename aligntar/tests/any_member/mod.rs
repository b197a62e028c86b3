//! Members that an archive can hold, at random.

use aligntar::{Alignment, Kind, Member, Padding, Timestamp, WriteOptions, Xattr};
use proptest::collection::vec;
use proptest::prelude::*;

/// A member and its data, of the member's size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WithData {
    pub(crate) member: Member,
    pub(crate) data: Vec<u8>,
}

/// Any alignment, any padding.
pub(crate) fn layout() -> impl Strategy<Value = WriteOptions> {
    let padding = prop_oneof![Just(Padding::Comment), Just(Padding::Vendor), Just(Padding::DummyHeaders)];
    (9u32..=16, padding).prop_map(|(power, padding)| {
        let alignment = Some(Alignment::new(1 << power).unwrap());
        WriteOptions { alignment, padding, ..WriteOptions::default() }
    })
}

/// Some members, each of another path or not.
pub(crate) fn members() -> impl Strategy<Value = Vec<WithData>> {
    vec(member(), 0..12)
}

fn member() -> impl Strategy<Value = WithData> {
    let ids = (any_id(), any_id());
    let names = (vec(1u8..=255, 0..40), vec(1u8..=255, 0..32));
    (path(), kind(), 0u32..0o10000, ids, names, mtime(), xattrs(), any::<u8>()).prop_map(
        |(path, kind, mode, (uid, gid), (uname, gname), mtime, xattrs, seed)| {
            let (uname, gname) = (uname.into(), gname.into());
            let member = Member { uid, gid, uname, gname, mtime, xattrs, ..Member::new(path, kind, mode) };
            let data = (0..member.size()).map(|at| (at as u8).wrapping_mul(seed)).collect();
            WithData { member, data }
        },
    )
}

fn any_id() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0u64..1 << 21, 1u64 << 21..1 << 32, any::<u64>()]
}

/// Seconds of any field or record, the ends of eleven octal digits among them.
fn mtime() -> impl Strategy<Value = Timestamp> {
    let secs = prop_oneof![-5i64..5, (1i64 << 33) - 3..(1 << 33) + 3, i64::MIN + 1..i64::MAX];
    let nanos = prop_oneof![Just(0), Just(999_999_999), 0u32..1_000_000_000];
    (secs, nanos).prop_map(|(secs, nanos)| Timestamp { secs, nanos })
}

/// One of each name, in the order of the names, as they are read.
fn xattrs() -> impl Strategy<Value = Vec<Xattr>> {
    let attribute = (vec(1u8..=255, 1..60), vec(any::<u8>(), 0..2000));
    prop::collection::btree_map(attribute.0, attribute.1, 0..4)
        .prop_map(|found| found.into_iter().map(|(name, value)| Xattr { name, value }).collect())
}

fn kind() -> impl Strategy<Value = Kind> {
    let device = (0u32..1 << 12, 0u32..1 << 20);
    let any_target = prop_oneof![vec(1u8..=255, 1..120), vec(1u8..=255, 1..5000)];
    prop_oneof![
        4 => size().prop_map(|size| Kind::Regular { size }),
        2 => Just(Kind::Directory),
        1 => path().prop_map(|target| Kind::HardLink { target }),
        1 => any_target.prop_map(|target| Kind::Symlink { target }),
        1 => device.clone().prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => device.prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
        1 => Just(Kind::Fifo),
    ]
}

/// Around the blocks of tar and of file systems, and large enough to be cloned.
fn size() -> impl Strategy<Value = u64> {
    let blocks = prop_oneof![Just(512u64), Just(4096), Just(8192), Just(65536)];
    prop_oneof![0u64..3, (blocks, 0u64..3).prop_map(|(block, more)| block - 1 + more), 0u64..100_000]
}

/// As readers give it: names of any bytes with one slash between them; long ones among them, and `..`.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![9 => b'a'..=b'c', 1 => 1u8..=255];
    let long = prop_oneof![4 => 1usize..12, 1 => 90usize..110, 1 => 150usize..256];
    let name = long.prop_flat_map(move |len| vec(byte.clone(), len)).prop_map(|mut name| {
        name.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'_');
        if name == b"." { b"..".to_vec() } else { name }
    });
    vec(name, 1..8).prop_map(|names| names.join(&b'/'))
}
