//! Kinds of odd archives that the test suite of Python's tarfile has and the others have not.

use crate::archive::{Archive, Header, MTIME, SIZE, record};
use crate::cases::{Case, case};

const NAME: std::ops::Range<usize> = 0..100;
const UID: std::ops::Range<usize> = 108..116;
/// In an old GNU header: what is left of the map, whether it goes on, the real size.
const MAP: std::ops::Range<usize> = 386..482;
const IS_EXTENDED: std::ops::Range<usize> = 482..483;
const REAL_SIZE: std::ops::Range<usize> = 483..495;

/// Offsets and lengths of an old map.
fn ranges(spans: &[(u32, u32)]) -> Vec<u8> {
    spans.iter().flat_map(|(offset, length)| format!("{offset:011o}\0{length:011o}\0").into_bytes()).collect()
}

/// `count` ranges of a block each, with a hole before each, and an empty one where the last hole ends.
fn spans(count: u32) -> Vec<(u32, u32)> {
    (0..count).map(|at| (1024 * at + 512, 512)).chain([(1024 * count + 512, 0)]).collect()
}

/// Lines of a map in version 1.0, or, with commas between, in version 0.1.
fn numbers(spans: &[(u32, u32)], between: &str) -> String {
    let numbers: Vec<String> =
        spans.iter().flat_map(|(offset, length)| [offset.to_string(), length.to_string()]).collect();
    numbers.join(between)
}

fn sized(size: &[u8], data: &[u8]) -> Vec<u8> {
    Archive::new().header(Header::new("a", b'0', 0).set(SIZE, size)).data(data).file("b", b"two").end()
}

pub(crate) const CASES: &[Case] = &[
    case("owner 4294967295 in base-256", || {
        let header = Header::gnu("a", b'0', 3).set(UID, b"\x80\0\0\0\xff\xff\xff\xff");
        Archive::new().header(header).data(b"one").file("b", b"two").end()
    }),
    case("v7, a checksum of signed bytes", || {
        Archive::new().raw(&Header::v7("aé", 3).sealed_signed()).data(b"one").file("b", b"two").end()
    }),
    case("old GNU sparse, a map of two blocks and an empty range at its end", || {
        let spans = spans(10);
        let header = Header::gnu("a", b'S', 5120).set(MAP, &ranges(&spans[..4])).set(IS_EXTENDED, &[1]);
        let archive = Archive::new().header(header.set(REAL_SIZE, format!("{:011o}\0", 10752).as_bytes()));
        archive.data(&ranges(&spans[4..])).data(&[b'x'; 5120]).file("b", b"two").end()
    }),
    case("pax sparse 0.0, an empty range at the end", || {
        let texts: Vec<_> =
            spans(1).into_iter().map(|(offset, length)| (offset.to_string(), length.to_string())).collect();
        let mut records = vec![("GNU.sparse.size", "1536"), ("GNU.sparse.numblocks", "2")];
        for (offset, length) in &texts {
            records.extend([("GNU.sparse.offset", &offset[..]), ("GNU.sparse.numbytes", length)]);
        }
        Archive::new().pax(&records).file("a", &[b'x'; 512]).file("b", b"two").end()
    }),
    case("pax sparse 0.1, an empty range at the end", || {
        let map = numbers(&spans(1), ",");
        let records = [("GNU.sparse.size", "1536"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", &map)];
        Archive::new().pax(&records).file("a", &[b'x'; 512]).file("b", b"two").end()
    }),
    case("pax sparse 1.0, an empty range at the end", || {
        let version = [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")];
        let records = [&version[..], &[("GNU.sparse.name", "real"), ("GNU.sparse.realsize", "1536")]].concat();
        let map = format!("2\n{}\n", numbers(&spans(1), "\n"));
        let archive = Archive::new().pax(&records).header(Header::new("a", b'0', 1024));
        archive.data(map.as_bytes()).data(&[b'x'; 512]).file("b", b"two").end()
    }),
    case("pax records of names, one empty, over those of a global header", || {
        let names = |uname, gname| [record("uname", uname), record("gname", gname)].concat();
        let archive = Archive::new().extended(b'g', names("tarfile", "tarfile").as_bytes()).file("a", b"one");
        archive.pax(&[("uname", ""), ("gname", "bar")]).file("b", b"two").end()
    }),
    case("pax owner and times beside those of the header", || {
        let records = [("uid", "123"), ("gid", "123"), ("mtime", "1041808783.000000000"), ("atime", "1.5")];
        Archive::new().pax(&records).header(Header::new("a", b'0', 3).set(MTIME, b"00000000001\0")).data(b"one").end()
    }),
    case("pax path that is no UTF-8", || {
        Archive::new().extended(b'x', b"12 path=a\xe4b\n").file("a", b"one").file("b", b"two").end()
    }),
    case("name that is no UTF-8", || {
        Archive::new().header(Header::new("", b'0', 3).set(NAME, b"a\xe4b")).data(b"one").file("b", b"two").end()
    }),
    case("name with bytes behind its NUL", || {
        Archive::new().header(Header::new("", b'0', 3).set(NAME, b"a\0rest")).data(b"one").file("b", b"two").end()
    }),
    case("name with a space at its end", || Archive::new().file("a ", b"one").file("b", b"two").end()),
    case("directory whose name has no slash and 100 bytes", || {
        Archive::new().header(Header::new(&"n".repeat(100), b'5', 0)).file("b", b"two").end()
    }),
    case("GNU long name of a directory, with a slash", || {
        let name = format!("{}/", "n".repeat(120));
        Archive::new().gnu_long(b'L', &name).header(Header::gnu("cut", b'5', 0)).file("b", b"two").end()
    }),
    case("truncated in a GNU long name", || {
        Archive::new().file("a", b"one").gnu_long(b'L', &"n".repeat(120)).unfinished()[..1024 + 512].to_vec()
    }),
    case("truncated behind a header", || Archive::new().file("a", &[b'x'; 1024]).unfinished()[..512].to_vec()),
    case("truncated behind the first block of data", || {
        Archive::new().file("a", &[b'x'; 1024]).unfinished()[..1024].to_vec()
    }),
    case("two blocks of zeros in front", || Archive::new().raw(&[0; 1024]).file("a", b"one").end()),
    case("two blocks of letters in front", || Archive::new().raw(&[b'a'; 1024]).file("a", b"one").end()),
    case("pax record of length 0", || Archive::new().extended(b'x', b"0 path=b\n").file("a", b"one").end()),
    case("pax record of length 1", || Archive::new().extended(b'x', b"1\n").file("a", b"one").end()),
    case("size of NULs", || sized(&[0; 12], b"")),
    case("size of spaces", || sized(b"            ", b"")),
    case("size with a sign", || sized(b"+0000000003\0", b"one")),
    case("size with a line below", || sized(b"0000000_003\0", b"one")),
    case("symbolic link, and a hard link to it", || {
        let archive = Archive::new().header(Header::new("l", b'2', 0).link("a")).file("a", b"one");
        archive.header(Header::new("h", b'1', 0).link("l")).end()
    }),
    case("hard link to what is not there", || {
        Archive::new().header(Header::new("h", b'1', 0).link("none")).file("b", b"two").end()
    }),
];
