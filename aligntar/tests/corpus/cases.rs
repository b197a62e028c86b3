//! Odd archives, and what each reader makes of them.

use crate::archive::{Archive, Header, MAGIC, MTIME, PREFIX, SIZE, record};

/// An archive and what is known of it.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) archive: fn() -> Vec<u8>,
}

pub(crate) const fn case(name: &'static str, archive: fn() -> Vec<u8>) -> Case {
    Case { name, archive }
}

pub(crate) const CASES: &[Case] = &[
    case("ustar", || Archive::new().file("a", b"one").file("b", b"").end()),
    case("ustar with a prefix", || {
        let long = "n".repeat(90);
        Archive::new().header(Header::new(&long, b'0', 0).set(PREFIX, b"p/q")).file("b", b"two").end()
    }),
    case("v7, a directory by its slash", || {
        Archive::new().header(Header::v7("d/", 0)).header(Header::v7("d/f", 3)).data(b"one").end()
    }),
    case("typeflag 7, contiguous", || Archive::new().header(Header::new("a", b'7', 3)).data(b"one").end()),
    case("typeflag Z, unknown", || {
        Archive::new().header(Header::new("a", b'Z', 3)).data(b"one").file("b", b"two").end()
    }),
    case("GNU volume label", || Archive::new().header(Header::gnu("label", b'V', 0)).file("b", b"two").end()),
    case("GNU long name", || {
        Archive::new().gnu_long(b'L', &"n".repeat(120)).header(Header::gnu("cut", b'0', 3)).data(b"one").end()
    }),
    case("GNU long name and long link", || {
        let archive = Archive::new().gnu_long(b'K', &"t".repeat(120)).gnu_long(b'L', &"n".repeat(110));
        archive.header(Header::gnu("cut", b'2', 0).link("cut")).end()
    }),
    case("pax path", || Archive::new().pax(&[("path", "long/name")]).file("short", b"one").file("b", b"two").end()),
    case("pax path, then a GNU long name between", || {
        Archive::new().pax(&[("path", "by-pax")]).gnu_long(b'L', "by-gnu").header(Header::gnu("cut", b'0', 0)).end()
    }),
    case("GNU long name, then a pax header without a path", || {
        Archive::new().gnu_long(b'L', "by-gnu").pax(&[("comment", "none")]).header(Header::gnu("cut", b'0', 0)).end()
    }),
    case("pax size wins", || {
        Archive::new().pax(&[("size", "3")]).header(Header::new("a", b'0', 0)).data(b"one").file("b", b"two").end()
    }),
    case("pax record with a newline and a record in its value", || {
        Archive::new().pax(&[("comment", "x\n9 path=b\n"), ("path", "right")]).file("a", b"one").end()
    }),
    case("pax path twice, the last wins", || {
        Archive::new().pax(&[("path", "first"), ("path", "last")]).file("a", b"one").end()
    }),
    case("two pax headers for one member", || {
        Archive::new().pax(&[("path", "first")]).pax(&[("path", "last")]).file("a", b"one").end()
    }),
    case("pax header without a member", || Archive::new().file("a", b"one").pax(&[("path", "none")]).end()),
    case("empty pax header", || Archive::new().extended(b'x', b"").file("a", b"one").end()),
    case("pax record without a length", || Archive::new().extended(b'x', b"path=a\n").file("a", b"one").end()),
    case("pax record longer than its header", || Archive::new().extended(b'x', b"99 path=a\n").file("a", b"one").end()),
    case("pax record without a newline", || Archive::new().extended(b'x', b"9 path=ab").file("a", b"one").end()),
    case("pax path with a NUL", || Archive::new().pax(&[("path", "a\0b")]).file("a", b"one").end()),
    case("pax size that is no number", || Archive::new().pax(&[("size", "many")]).file("a", b"one").end()),
    case("pax size below zero", || Archive::new().pax(&[("size", "-1")]).file("a", b"one").end()),
    case("pax size over 64 bits", || Archive::new().pax(&[("size", "99999999999999999999")]).file("a", b"one").end()),
    case("pax record of an unknown keyword", || Archive::new().pax(&[("WHO.knows", "1")]).file("a", b"one").end()),
    case("global pax header with a comment", || {
        Archive::new().extended(b'g', record("comment", "of git").as_bytes()).file("a", b"one").end()
    }),
    case("global pax header with a path", || {
        Archive::new().extended(b'g', record("path", "all").as_bytes()).file("a", b"one").file("b", b"two").end()
    }),
    case("Solaris' typeflag X", || {
        Archive::new().extended(b'X', record("path", "by-x").as_bytes()).file("a", b"one").end()
    }),
    case("padding in a comment", || Archive::new().pax(&[("comment", &" ".repeat(2000))]).file("a", b"one").end()),
    case("padding of a vendor", || Archive::new().pax(&[("CKPT.pad", &" ".repeat(2000))]).file("a", b"one").end()),
    case("padding of dummy headers", || {
        let dummy = || Header::new("", b'3', 0);
        Archive::new().header(dummy()).header(dummy()).file("a", b"one").end()
    }),
    case("size in base-256", || {
        let size = b"\x80\0\0\0\0\0\0\0\0\0\0\x03";
        Archive::new().header(Header::gnu("a", b'0', 0).set(SIZE, size)).data(b"one").file("b", b"").end()
    }),
    case("size below zero in base-256", || {
        Archive::new().header(Header::gnu("a", b'0', 0).set(SIZE, &[0xff; 12])).file("b", b"").end()
    }),
    case("size over 64 bits in base-256", || {
        let size = b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        Archive::new().header(Header::gnu("a", b'0', 0).set(SIZE, size)).file("b", b"").end()
    }),
    case("size with spaces around", || {
        Archive::new().header(Header::new("a", b'0', 0).set(SIZE, b"         3 \0")).data(b"one").end()
    }),
    case("size without an end", || {
        Archive::new().header(Header::new("a", b'0', 0).set(SIZE, b"000000000003")).data(b"one").end()
    }),
    case("size that is no number", || {
        Archive::new().header(Header::new("a", b'0', 0).set(SIZE, b"none\0")).file("b", b"two").end()
    }),
    case("time before 1970 in base-256", || {
        Archive::new().header(Header::gnu("a", b'0', 0).set(MTIME, &[0xff; 12])).file("b", b"two").end()
    }),
    case("checksum of signed bytes", || {
        let header = Header::new("a\u{e9}", b'0', 0).sealed_signed();
        Archive::new().raw(&header).file("b", b"two").end()
    }),
    case("checksum wrong in the first header", || {
        let mut archive = Archive::new().file("a", b"one").file("b", b"two").end();
        archive[0] ^= 1;
        archive
    }),
    case("checksum wrong in the second header", || {
        let mut archive = Archive::new().file("a", b"one").file("b", b"two").file("c", b"").end();
        archive[1024] ^= 1;
        archive
    }),
    case("old GNU sparse", || {
        let map = |header: Header| header.set(386..398, b"00000000000\0").set(398..410, b"00000000003\0");
        let map = |header| map(header).set(410..422, b"00000010000\0").set(422..434, b"00000000000\0");
        let header = map(Header::gnu("a", b'S', 3)).set(483..495, b"00000010000\0");
        Archive::new().header(header).data(b"one").file("b", b"two").end()
    }),
    case("pax sparse 0.0", || {
        let map = [("size", "4096"), ("numblocks", "1"), ("offset", "0"), ("numbytes", "3")];
        let keywords = map.map(|(keyword, value)| (format!("GNU.sparse.{keyword}"), value));
        let records: Vec<_> = keywords.iter().map(|(keyword, value)| (keyword.as_str(), *value)).collect();
        Archive::new().pax(&records).file("a", b"one").file("b", b"two").end()
    }),
    case("pax sparse 0.1", || {
        let head = [("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.name", "real")];
        Archive::new()
            .pax(&[&head[..], &[("GNU.sparse.map", "0,3")]].concat())
            .file("a", b"one")
            .file("b", b"two")
            .end()
    }),
    case("pax sparse 1.0", || sparse_1_0("1\n0\n3\n", "4096")),
    case("pax sparse 1.0, a map past the size", || sparse_1_0("1\n4095\n3\n", "4096")),
    case("pax sparse 1.0, a map that overlaps", || sparse_1_0("2\n0\n2\n1\n1\n", "4096")),
    case("pax sparse 1.0, a map of no numbers", || sparse_1_0("x\n", "4096")),
    case("hard link with a size and no data", || {
        Archive::new().file("a", b"one").header(Header::new("b", b'1', 3).link("a")).file("c", b"two").end()
    }),
    case("hard link with data", || {
        let archive = Archive::new().file("a", b"one").pax(&[("size", "3")]);
        archive.header(Header::new("b", b'1', 3).link("a")).data(b"one").file("c", b"two").end()
    }),
    case("symbolic link with a size and no data", || {
        Archive::new().header(Header::new("a", b'2', 3).link("b")).file("c", b"two").end()
    }),
    case("directory with a size and no data", || {
        Archive::new().header(Header::new("d/", b'5', 512)).file("c", b"two").end()
    }),
    case("an archive in a member", || {
        let inner = Archive::new().file("inner", b"one").end();
        Archive::new().file("outer.tar", &inner).file("b", b"two").end()
    }),
    case("one name twice, of two kinds", || {
        Archive::new().file("a", b"one").header(Header::new("a", b'2', 0).link("b")).file("a", b"two!").end()
    }),
    case("absolute name", || Archive::new().file("/a", b"one").end()),
    case("name that goes up", || Archive::new().file("../a", b"one").end()),
    case("empty name", || Archive::new().file("", b"one").file("b", b"two").end()),
    case("magic of star", || {
        Archive::new()
            .header(Header::new("a", b'0', 3).set(MAGIC, b"ustar\x0000").set(508..512, b"tar\0"))
            .data(b"one")
            .end()
    }),
    case("no end marker", || Archive::new().file("a", b"one").unfinished()),
    case("one block of zeros at the end", || Archive::new().file("a", b"one").raw(&[0; 512]).unfinished()),
    case("one block of zeros in the middle", || {
        Archive::new().file("a", b"one").raw(&[0; 512]).file("b", b"two").end()
    }),
    case("members behind the end marker", || Archive::new().file("a", b"one").raw(&[0; 1024]).file("b", b"two").end()),
    case("garbage behind the end marker", || {
        Archive::new().file("a", b"one").raw(&[0; 1024]).raw(&[7; 700]).unfinished()
    }),
    case("truncated in the data", || {
        Archive::new().file("a", b"one").header(Header::new("b", b'0', 2000)).data(&[b'd'; 1000]).unfinished()
    }),
    case("truncated in a header", || {
        let mut archive = Archive::new().file("a", b"one").file("b", b"").unfinished();
        archive.truncate(1024 + 100);
        archive
    }),
    case("blocks of zeros only", || Archive::new().end()),
    case("empty file", || Archive::new().unfinished()),
    case("text", || Archive::new().raw(&b"no archive at all, only text. ".repeat(60)).unfinished()),
];

fn sparse_1_0(map: &str, size: &str) -> Vec<u8> {
    let records = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "real"),
        ("GNU.sparse.realsize", size),
    ];
    let header = Header::new("a", b'0', 512 + 3);
    Archive::new().pax(&records).header(header).data(map.as_bytes()).data(b"one").file("b", b"two").end()
}
