//! Sockets put into the images of a checkpoint, in protobuf's own encoding: nothing of what reads them writes them.

use std::fs;
use std::path::Path;

use crate::lab::{succeed, text};

/// `fd_types` of CRIU's images/fdinfo.proto.
const INETSK: u64 = 4;
const PACKETSK: u64 = 10;
const NETLINKSK: u64 = 13;

/// Makes `target` of `archive`: its first process has sockets besides, at descriptors from 500 on.
pub(crate) fn add_sockets(archive: &Path, target: &Path) {
    let tree = tempfile::tempdir_in(archive.parent().unwrap()).unwrap();
    succeed("tar", &["-C", text(tree.path()), "-xf", text(archive)]);
    let images = tree.path().join("checkpoint");
    // net/tcp_states.h: 1 is established, 10 listens, 7 is closed.
    let sockets = vec![
        (INETSK, 4, inet(1, 6, 1, (8080, [10, 0, 0, 7]), (40_000, [192, 168, 1, 2]))),
        (INETSK, 4, inet(1, 6, 10, (80, [0, 0, 0, 0]), (0, [0, 0, 0, 0]))),
        (INETSK, 4, inet(2, 17, 7, (53, [127, 0, 0, 1]), (0, [0, 0, 0, 0]))),
        (NETLINKSK, 7, netlink()),
        (PACKETSK, 6, packet()),
    ];
    let first = fdinfo_of_first(&images);
    for (number, (kind, member, socket)) in sockets.into_iter().enumerate() {
        let (id, fd) = (90_000 + number as u64, 500 + number as u64);
        let socket = [field(1, id), socket].concat();
        append(&images.join("files.img"), &[field(1, kind), field(2, id), message(member, &socket)].concat());
        append(&first, &[field(1, id), field(2, 0), field(3, kind), field(4, fd)].concat());
    }
    succeed("tar", &["-C", text(tree.path()), "-cf", text(target), "."]);
}

/// Behind the numbers at its beginning and its length, `ids-1.img` says which image the descriptors are in.
fn fdinfo_of_first(images: &Path) -> std::path::PathBuf {
    let ids = fs::read(images.join("ids-1.img")).unwrap();
    // vm_id, and then files_id: both are small.
    assert_eq!((ids[12], ids[14]), (1 << 3, 2 << 3), "{ids:?}");
    images.join(format!("fdinfo-{}.img", ids[15]))
}

fn append(image: &Path, message: &[u8]) {
    let length = u32::try_from(message.len()).unwrap().to_le_bytes();
    fs::write(image, [&fs::read(image).unwrap()[..], &length, message].concat()).unwrap();
}

/// A number.
fn field(tag: u64, value: u64) -> Vec<u8> {
    [varint(tag << 3), varint(value)].concat()
}

/// A message in a message.
fn message(tag: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(tag << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// `fown_entry`, all of which is required.
fn owner(tag: u64) -> Vec<u8> {
    message(tag, &(1..=5).flat_map(|tag| field(tag, 0)).collect::<Vec<_>>())
}

/// `sk_opts_entry`: buffers of 208 and 128 KiB, and no limits of time.
fn options(tag: u64) -> Vec<u8> {
    let numbers = [212_992, 131_072, 0, 0, 0, 0];
    message(tag, &(1..).zip(numbers).flat_map(|(tag, value)| field(tag, value)).collect::<Vec<_>>())
}

type End = (u64, [u8; 4]);

fn inet(socket_type: u64, protocol: u64, state: u64, source: End, destination: End) -> Vec<u8> {
    let address = |end: End| u64::from(u32::from_le_bytes(end.1));
    let numbers =
        [7, 2, socket_type, protocol, state, source.0, destination.0, 2, 0, address(source), address(destination)];
    let numbers = (2..).zip(numbers).flat_map(|(tag, value)| field(tag, value));
    numbers.chain(owner(13)).chain(options(14)).collect()
}

fn netlink() -> Vec<u8> {
    let numbers = [(2, 7), (3, 0), (4, 7), (6, 2), (7, 0), (9, 0), (10, 0)];
    numbers.into_iter().flat_map(|(tag, value)| field(tag, value)).chain(owner(11)).chain(options(12)).collect()
}

fn packet() -> Vec<u8> {
    let numbers = [(2, 3), (3, 0x0003), (4, 2), (5, 0)].into_iter().flat_map(|(tag, value)| field(tag, value));
    let flags = [(8, 0), (9, 0), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0)];
    let flags = flags.into_iter().flat_map(|(tag, value)| field(tag, value));
    numbers.chain(owner(6)).chain(options(7)).chain(flags).collect()
}
