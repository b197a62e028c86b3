//! Headers, records and maps that lie.

use crate::archive::{Archive, field, put, record};
use crate::case::{Case, case};

pub(crate) fn cases() -> Vec<Case> {
    [numbers(), records(), extensions(), sparse(), kinds(), xattrs()].into_iter().flatten().collect()
}

fn with_size(tar: Archive, size: &[u8]) -> Archive {
    tar.changed_file("a", b"data", |header| put(header, field::SIZE, size))
}

fn numbers() -> Vec<Case> {
    vec![
        case("a checksum that is wrong", |tar| tar.file("a", b"one").raw(&[b'x'; 512]).file("b", b"two"))
            .refused("read: Header")
            .leaves(&["a = one"]),
        case("no archive at all", |tar| tar.raw(&[b'x'; 512])).refused("read: NotAnArchive").leaves(&[]),
        case("a negative size", |tar| with_size(tar, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"))
            .refused("read: NotAnArchive")
            .leaves(&[]),
        case("a size that is no number", |tar| with_size(tar, b"0000000009\0")).refused("read: NotAnArchive"),
        case("a size past 64 bits", |tar| with_size(tar, &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]))
            .refused("read: NotAnArchive")
            .leaves(&[]),
        case("a size past the end", |tar| with_size(tar, b"00000100000\0"))
            .refused("read: Truncated")
            .refused_in_stream("data: read at offset 512")
            .leaves(&[]),
        case("a size of 2^63 - 1", |tar| {
            with_size(tar, &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
        })
        .refused("read: Truncated")
        .refused_in_stream("data: read at offset 512")
        .leaves(&[]),
        case("a size record past the end", |tar| tar.pax(&[(b"size", b"99999")]).file("a", b"data"))
            .refused("read: Truncated")
            .refused_in_stream("data: read at offset 1536")
            .leaves(&[]),
        case("a size record past 64 bits", |tar| tar.pax(&[(b"size", b"18446744073709551616")]).file("a", b"data"))
            .refused("read: Pax")
            .leaves(&[]),
        case("a negative size record", |tar| tar.pax(&[(b"size", b"-1")]).file("a", b"data"))
            .refused("read: Pax")
            .leaves(&[]),
        case("a size record that is right where the header lies", |tar| {
            tar.pax(&[(b"size", b"4")]).changed_file("a", b"data", |header| put(header, field::SIZE, b"00000001000"))
        })
        .leaves(&["a = data"]),
        case("an owner that Linux does not have", |tar| tar.pax(&[(b"uid", b"4294967295")]).file("a", b"x"))
            .leaves(&["a = x"]),
        case("such an owner, asked for", |tar| tar.pax(&[(b"uid", b"4294967295")]).file("a", b"x"))
            .keeping_owners()
            .refused("Owner")
            .leaves(&[]),
        case("a mode with all bits", |tar| tar.changed_file("a", b"x", |header| put(header, field::MODE, b"7777777")))
            .leaves(&["a = x (1777)"]),
        case("times at both ends", |tar| {
            tar.pax(&[(b"mtime", b"9223372036854775807")])
                .file("a", b"x")
                .pax(&[(b"mtime", b"-9223372036854775807.5")])
                .file("b", b"x")
        }),
    ]
}

fn records() -> Vec<Case> {
    vec![
        case("a record behind a newline", |tar| tar.pax(&[(b"comment", b"a\n21 path=../outside/x\n")]).file("a", b"x"))
            .leaves(&["a = x"]),
        case("a record without a length", |tar| tar.extension(b'x', b"path=../x\n").file("a", b"x"))
            .refused("read: Pax"),
        case("a record longer than its header", |tar| tar.extension(b'x', b"99 path=../x\n").file("a", b"x"))
            .refused("read: Pax")
            .leaves(&[]),
        case("a record whose length is no u64", |tar| {
            tar.extension(b'x', b"99999999999999999999999 path=../x\n").file("a", b"x")
        })
        .refused("read: Pax"),
        case("a record without a newline", |tar| tar.extension(b'x', b"11 path=abcd").file("a", b"x"))
            .refused("read: Pax"),
        case("a million records", |tar| tar.extension(b'x', &b"7 a=bc\n".repeat(1_000_000)).file("a", b"x"))
            .refused("read: TooLong")
            .leaves(&[]),
        case("as many records as are allowed", |tar| tar.extension(b'x', &b"7 a=bc\n".repeat(140_000)).file("a", b"x"))
            .leaves(&["a = x"]),
        case("a record given twice", |tar| tar.pax(&[(b"path", b"../x"), (b"path", b"b")]).file("a", b"x"))
            .leaves(&["b = x"]),
    ]
}

fn extensions() -> Vec<Case> {
    vec![
        case("an extended header without a member", |tar| tar.file("a", b"x").pax(&[(b"path", b"b")]))
            .refused("read: Truncated")
            .leaves(&["a = x"]),
        case("a GNU name without a member", |tar| tar.extension(b'L', b"b\0")).refused("read: Truncated"),
        case("a GNU name of 2 GiB", |tar| tar.header(b"a", b'L', 2 << 30, |_| ()).file("a", b"x"))
            .refused("read: TooLong")
            .leaves(&[]),
        case("an extended header of 2 GiB", |tar| tar.header(b"a", b'x', 2 << 30, |_| ()).file("a", b"x"))
            .refused("read: TooLong")
            .leaves(&[]),
        case("a global header that names a path", |tar| {
            tar.extension(b'g', &record(b"path", b"../outside/secret")).file("a", b"x")
        })
        .refused("read: Pax")
        .leaves(&[]),
        case("headers without end", |tar| (0..2000).fold(tar, |tar, _| tar.pax(&[(b"a", b"b")])).file("a", b"x"))
            .refused("read: TooManyHeaders")
            .leaves(&[]),
        case("a nested archive", |tar| {
            let inner = Archive::new("".as_ref()).file("../outside/secret", b"x").symlink("l", "/").finish();
            tar.file("inner.tar", &inner).file("b", b"y")
        })
        .leaves(&["b = y", "inner.tar of 2560 bytes"]),
        case("a member behind the end marker", |tar| tar.file("a", b"x").raw(&[0; 1024]).file("../x", b"x"))
            .leaves(&["a = x"]),
    ]
}

fn sparse_case(name: &'static str, size: &'static [u8], map: &'static [u8], data: &'static [u8]) -> Case {
    case(name, move |tar| tar.pax(&[(b"GNU.sparse.size", size), (b"GNU.sparse.map", map)]).file("a", data))
}

/// An old GNU header with two ranges of the map in it (tar(5), "GNU tar Archives").
fn old_sparse(tar: Archive, ranges: [(u64, u64); 2], size: u64) -> Archive {
    tar.header(b"a", b'S', 4, |header| {
        header[field::MAGIC].copy_from_slice(b"ustar  \0");
        for (at, (offset, len)) in [386, 410].into_iter().zip(ranges) {
            put(header, at..at + 12, format!("{offset:011o}").as_bytes());
            put(header, at + 12..at + 24, format!("{len:011o}").as_bytes());
        }
        put(header, 483..495, format!("{size:011o}").as_bytes());
    })
    .raw(b"data")
}

fn sparse() -> Vec<Case> {
    vec![
        sparse_case("a sparse map that is right", b"9", b"1,2,5,2", b"data").leaves(&["a = \0da\0\0ta\0\0"]),
        sparse_case("a sparse map that overlaps", b"9", b"0,2,1,2", b"data").refused("read: Sparse").leaves(&[]),
        sparse_case("a sparse map that goes back", b"9", b"4,2,0,2", b"data").refused("read: Sparse").leaves(&[]),
        sparse_case("a sparse map past the size", b"9", b"0,2,8,2", b"data").refused("read: Sparse").leaves(&[]),
        sparse_case("a sparse map past 64 bits", b"9", b"18446744073709551615,2", b"da").refused("read: Sparse"),
        sparse_case("a sparse map of more than is stored", b"99", b"0,50", b"data").refused("read: Sparse"),
        sparse_case("a sparse map of less than is stored", b"9", b"0,1", b"data").leaves(&["a = d\0\0\0\0\0\0\0\0"]),
        sparse_case("a sparse map of odd length", b"9", b"0,2,4", b"da").refused("read: Pax"),
        sparse_case("a sparse map that is no numbers", b"9", b"0,x", b"da").refused("read: Pax"),
        sparse_case("a sparse size past 64 bits", b"99999999999999999999", b"0,4", b"data").refused("read: Pax"),
        sparse_case("a sparse size past 63 bits", b"9223372036854775808", b"0,4", b"data").refused("read: Sparse"),
        sparse_case("a large hole", b"8589934592", b"8589934588,4", b"data").leaves(&["a of 8589934592 bytes"]),
        case("an old sparse map that overlaps", |tar| old_sparse(tar, [(0, 3), (2, 1)], 9)).refused("read: Sparse"),
        case("an old sparse map past the size", |tar| old_sparse(tar, [(0, 3), (9, 1)], 9)).refused("read: Sparse"),
        case("a new sparse map of a billion ranges", |tar| {
            let records: [(&[u8], &[u8]); 3] =
                [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"9")];
            tar.pax(&records).file("a", b"1000000000\n0\n1\n")
        })
        .refused("read: Sparse"),
    ]
}

fn kinds() -> Vec<Case> {
    vec![
        case("a kind that is not known", |tar| tar.header(b"a", b'Z', 1, |_| ()).raw(b"x")).leaves(&["a = x"]),
        case("the rest of another volume", |tar| tar.header(b"a", b'M', 1, |_| ()).raw(b"x"))
            .refused("read: Unsupported"),
        case("a major number that would be cut", |tar| tar.device("a", b'3', 0x1001, 3))
            .refused("DeviceNumber")
            .leaves(&[]),
        case("a minor number that would be cut", |tar| tar.device("a", b'4', 8, 0x10_0003))
            .refused("DeviceNumber")
            .leaves(&[]),
        case("a whiteout of overlayfs", |tar| tar.device("a", b'3', 0, 0)).leaves(&["a c 0:0"]),
        case("set-id bits", |tar| tar.changed_file("a", b"x", |header| put(header, field::MODE, b"0006755")))
            .leaves(&["a = x (755)"]),
        case("set-id bits of a directory", |tar| {
            tar.header(b"a", b'5', 0, |header| put(header, field::MODE, b"0006755"))
        })
        .leaves(&["a/"]),
    ]
}

fn xattr_case(name: &'static str, keyword: &'static [u8], value: &'static [u8]) -> Case {
    case(name, move |tar| tar.pax(&[(keyword, value)]).file("a", b"x")).keeping_xattrs()
}

fn xattrs() -> Vec<Case> {
    static LONG: [u8; 70_000] = [b'x'; 70_000];
    vec![
        xattr_case("an attribute without a namespace", b"SCHILY.xattr.evil", b"x")
            .refused("setxattr: Unsupported")
            .leaves(&[]),
        xattr_case("an attribute over 64 KiB", b"SCHILY.xattr.user.long", &LONG)
            .refused("setxattr: ArgumentListTooLong")
            .leaves(&[]),
        xattr_case("an attribute with NUL in its name", b"SCHILY.xattr.user.a\0b", b"x")
            .refused("read: Pax")
            .leaves(&[]),
        xattr_case("an ACL that is none", b"SCHILY.xattr.system.posix_acl_access", b"evil")
            .refused("setxattr: Unsupported")
            .leaves(&[]),
        case("a hard link to a file that could not be made", |tar| {
            tar.pax(&[(b"SCHILY.xattr.evil", b"x")]).file("a", &[b'x'; 5000]).hard_link("b", "a")
        })
        .keeping_xattrs()
        .refused("setxattr: Unsupported")
        .leaves(&[]),
        case("attributes that were not asked for", |tar| {
            let records: [(&[u8], &[u8]); 3] = [
                (b"SCHILY.xattr.security.capability", b"evil"),
                (b"SCHILY.xattr.trusted.overlay.opaque", b"y"),
                (b"SCHILY.xattr.evil", b"x"),
            ];
            tar.pax(&records).file("a", b"x")
        })
        .leaves(&["a = x"]),
    ]
}
