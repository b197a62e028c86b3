//! Kinds of odd archives that other readers' test suites have: libarchive, Go, tar-rs, node-tar, Commons Compress.

use crate::archive::{Archive, Header, MAGIC, MODE, PREFIX, SIZE, record};
use crate::cases::{Case, case};

const UID: std::ops::Range<usize> = 108..116;
const CHKSUM: std::ops::Range<usize> = 148..156;
const DEVMAJOR: std::ops::Range<usize> = 329..337;

pub(crate) const CASES: &[Case] = &[
    case("v7, a directory with a size and no data", || {
        Archive::new().header(Header::v7("d/", 512)).file("d/f", b"one").file("b", b"two").end()
    }),
    case("typeflag 0, a directory with a size and no data", || {
        Archive::new().header(Header::new("d/", b'0', 1)).file("d/f", b"one").file("b", b"two").end()
    }),
    case("pax size on a symbolic link without data", || {
        let link = Header::new("a", b'2', 0).link("b");
        Archive::new().pax(&[("size", "512")]).header(link).file("hidden", b"").file("c", b"two").end()
    }),
    case("pax size on a FIFO without data", || {
        let fifo = Header::new("a", b'6', 0);
        Archive::new().pax(&[("size", "512")]).header(fifo).file("hidden", b"").file("c", b"two").end()
    }),
    case("pax size on a directory without data", || {
        let directory = Header::new("d/", b'5', 0);
        Archive::new().pax(&[("size", "512")]).header(directory).file("hidden", b"").file("c", b"two").end()
    }),
    case("old GNU sparse, more data than the map has", || {
        let map = Header::gnu("a", b'S', 515).set(386..398, b"00000000000\0").set(398..410, b"00000000003\0");
        Archive::new().header(map.set(483..495, b"00000010000\0")).data(&[b'x'; 515]).file("b", b"two").end()
    }),
    case("pax sparse 0.1, more data than the map has", || {
        let map = [("GNU.sparse.size", "4096"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,3")];
        Archive::new().pax(&map).file("a", &[b'x'; 515]).file("b", b"two").end()
    }),
    case("pax sparse, a size and no map", || {
        Archive::new().pax(&[("GNU.sparse.size", "4096")]).file("a", b"one").file("b", b"two").end()
    }),
    case("pax sparse, a version that does not exist", || {
        let version = [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")];
        Archive::new().pax(&version).file("a", b"one").file("b", b"two").end()
    }),
    case("pax sparse, a size past 63 bits", || {
        let map = [("GNU.sparse.size", "9223372036854775808"), ("GNU.sparse.map", "0,3")];
        Archive::new().pax(&map).file("a", b"one").file("b", b"two").end()
    }),
    case("Solaris' holes in a record", || {
        Archive::new().pax(&[("SUN.holesdata", " 0 512 1024 1536")]).file("a", &[0; 1536]).file("b", b"two").end()
    }),
    case("empty pax path", || Archive::new().pax(&[("path", "")]).file("a", b"one").file("b", b"two").end()),
    case("empty pax size", || Archive::new().pax(&[("size", "")]).file("a", b"one").file("b", b"two").end()),
    case("an empty record in a second global header", || {
        let global = |value| record("uid", value).into_bytes();
        let archive = Archive::new().extended(b'g', &global("12")).file("a", b"one");
        archive.extended(b'g', &global("")).file("b", b"two").end()
    }),
    case("global pax header alone", || Archive::new().extended(b'g', record("comment", "of git").as_bytes()).end()),
    case("pax header over 1 MiB", || {
        Archive::new().pax(&[("comment", &" ".repeat(1 << 20))]).file("a", b"one").file("b", b"two").end()
    }),
    case("pax header whose name ends in a slash", || {
        let body = record("path", "by-pax");
        let header = Header::new("pax/", b'x', body.len() as u64);
        Archive::new().header(header).data(body.as_bytes()).file("a", b"one").end()
    }),
    case("pax header with an empty line", || {
        Archive::new().extended(b'x', format!("{}\n", record("path", "by-pax")).as_bytes()).file("a", b"one").end()
    }),
    case("pax attribute with a NUL in its name", || {
        Archive::new().pax(&[("SCHILY.xattr.user.a\0b", "x")]).file("a", b"one").file("b", b"two").end()
    }),
    case("pax attribute without a name", || {
        Archive::new().pax(&[("SCHILY.xattr.", "x")]).file("a", b"one").file("b", b"two").end()
    }),
    case("libarchive's attribute alone", || {
        Archive::new().pax(&[("LIBARCHIVE.xattr.user.a%20b", "b25l")]).file("a", b"one").end()
    }),
    case("ACL in words", || {
        let acl = "user::rw-,user:daemon:r--:1,group::---,mask::r--,other::---";
        Archive::new().pax(&[("SCHILY.acl.access", acl)]).file("a", b"one").end()
    }),
    case("ACL that is none", || Archive::new().pax(&[("SCHILY.acl.access", "none")]).file("a", b"one").end()),
    case("pax time that is no number", || Archive::new().pax(&[("mtime", "now")]).file("a", b"one").end()),
    case("pax time before 1970 with a fraction", || Archive::new().pax(&[("mtime", "-1.5")]).file("a", b"one").end()),
    case("pax time past 64 bits", || Archive::new().pax(&[("mtime", "99999999999999999999")]).file("a", b"one").end()),
    case("pax owner below zero", || Archive::new().pax(&[("uid", "-1")]).file("a", b"one").file("b", b"two").end()),
    case("pax names of any bytes", || {
        Archive::new().pax(&[("hdrcharset", "BINARY"), ("path", "by-pax")]).file("a", b"one").end()
    }),
    case("owner below zero in base-256", || {
        Archive::new().header(Header::gnu("a", b'0', 3).set(UID, &[0xff; 8])).data(b"one").file("b", b"two").end()
    }),
    case("owner of NULs", || Archive::new().header(Header::new("a", b'0', 3).set(UID, &[0; 8])).data(b"one").end()),
    case("owner that is no number", || {
        Archive::new().header(Header::new("a", b'0', 3).set(UID, b"root\0\0\0\0")).data(b"one").end()
    }),
    case("mode with spaces around", || {
        Archive::new().header(Header::new("a", b'0', 3).set(MODE, b"   644 \0")).data(b"one").end()
    }),
    case("size behind a NUL", || {
        Archive::new().header(Header::new("a", b'0', 0).set(SIZE, b"\x0000000000003")).data(b"one").file("b", b"").end()
    }),
    case("checksum of few digits", || {
        let mut archive = Archive::new().file("a", b"one").end();
        let sum = u32::from_str_radix(std::str::from_utf8(&archive[148..154]).unwrap(), 8).unwrap();
        archive[CHKSUM].copy_from_slice(format!("{sum:o}\0\0\0\0\0").as_bytes().first_chunk::<8>().unwrap());
        archive
    }),
    case("device numbers of a file are no numbers", || {
        Archive::new().header(Header::new("a", b'0', 3).set(329..345, b"garbage, garbage")).data(b"one").end()
    }),
    case("device number over 21 bits", || {
        let header = Header::gnu("a", b'3', 0).set(DEVMAJOR, b"\x80\0\0\0\0\x40\0\0");
        Archive::new().header(header).file("b", b"two").end()
    }),
    case("GNU long name without a NUL", || {
        let name = "n".repeat(120);
        let header = Header::gnu("././@LongLink", b'L', 120);
        Archive::new().header(header).data(name.as_bytes()).header(Header::gnu("cut", b'0', 3)).data(b"one").end()
    }),
    case("GNU long name with a NUL in it", || {
        Archive::new().gnu_long(b'L', "real\0rest").header(Header::gnu("cut", b'0', 3)).data(b"one").end()
    }),
    case("two GNU long names for one member", || {
        let archive = Archive::new().gnu_long(b'L', "first").gnu_long(b'L', "last");
        archive.header(Header::gnu("cut", b'0', 3)).data(b"one").end()
    }),
    case("GNU long name in a member of another name", || {
        let header = Header::gnu("whatever", b'L', 5);
        Archive::new().header(header).data(b"real\0").header(Header::gnu("cut", b'0', 3)).data(b"one").end()
    }),
    case("GNU volume label of a size below zero", || {
        Archive::new().header(Header::gnu("label", b'V', 0).set(SIZE, &[0xff; 12])).file("b", b"two").end()
    }),
    case("GNU volume label alone", || Archive::new().header(Header::gnu("label", b'V', 0)).end()),
    case("GNU's rest of another volume", || {
        Archive::new().header(Header::gnu("a", b'M', 3)).data(b"one").file("b", b"two").end()
    }),
    case("GNU's names of a directory", || {
        Archive::new().header(Header::gnu("d/", b'D', 5)).data(b"Yf\0\0\0").file("d/f", b"one").end()
    }),
    case("Solaris' typeflag A", || {
        let acl = b"1000003\0user::rw-,group::r--,other:r--\0";
        let header = Header::new("a", b'A', acl.len() as u64);
        Archive::new().header(header).data(acl).file("a", b"one").file("b", b"two").end()
    }),
    case("star's prefix with times behind it", || {
        let header = Header::new("a", b'0', 3).set(PREFIX, b"p").set(476..488, b"11300000000 ");
        let header = header.set(488..500, b"11300000000 ").set(508..512, b"tar\0");
        Archive::new().header(header.set(MAGIC, b"ustar\x0000")).data(b"one").end()
    }),
    case("symbolic link without a target", || Archive::new().header(Header::new("a", b'2', 0)).file("b", b"two").end()),
    case("hard link without a target", || Archive::new().header(Header::new("a", b'1', 0)).file("b", b"two").end()),
    case("hard link to itself", || Archive::new().header(Header::new("a", b'1', 0).link("a")).file("b", b"two").end()),
    case("pax path and target of a hard link", || {
        let header = Header::new("cut", b'1', 0).link("cut");
        Archive::new().file("b", b"two").pax(&[("path", "a"), ("linkpath", "b")]).header(header).end()
    }),
    case("names with a dot before them", || {
        Archive::new().header(Header::new("./", b'5', 0)).file("./a", b"one").file("././b", b"two").end()
    }),
    case("one directory twice", || {
        Archive::new().header(Header::new("d/", b'5', 0)).header(Header::new("d", b'5', 0)).file("d/f", b"one").end()
    }),
    case("macOS' metadata beside a file", || Archive::new().file("._a", b"\0\x05\x16\x07").file("a", b"one").end()),
    case("truncated in the filling", || {
        Archive::new().file("a", b"one").file("b", b"two").unfinished()[..1539].to_vec()
    }),
    case("two archives, one behind the other", || {
        [Archive::new().file("a", b"one").end(), Archive::new().file("b", b"two").end()].concat()
    }),
];
