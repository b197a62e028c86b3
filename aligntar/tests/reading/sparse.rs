//! Sparse members of every format are read as the file that they were made from.

use crate::odd::{Archive, Header};
use aligntar::ReadError;

/// Numbers of an old map: offset and length, eleven octal digits and a NUL each.
fn ranges(spans: &[(u64, u64)]) -> Vec<u8> {
    spans.iter().flat_map(|(offset, length)| format!("{offset:011o}\0{length:011o}\0").into_bytes()).collect()
}

fn octal(number: u64) -> Vec<u8> {
    format!("{number:011o}\0").into_bytes()
}

/// `lines` and behind it, from the next tar block on, `data`: a member of pax format 1.0.
fn version_1(lines: &str, data: &[u8], real_size: &str) -> Archive {
    let records = [("major", "1"), ("minor", "0"), ("name", "file"), ("realsize", real_size)];
    let records = records.map(|(name, value)| (format!("GNU.sparse.{name}"), value));
    let records: Vec<_> = records.iter().map(|(keyword, value)| (&keyword[..], *value)).collect();
    let stored = lines.len().next_multiple_of(512) + data.len();
    let header = Header::new("GNUSparseFile.1/file", b'0', stored as u64);
    Archive::default().pax(b'x', &records).header(header).data(lines.as_bytes()).data(data).file("next", b"").end()
}

#[test]
fn old_gnu_maps_are_in_the_header() {
    let header = Header::new("file", b'S', 5).gnu();
    let header = header.put(386, &ranges(&[(2, 2), (6, 3), (12, 0)])).put(483, &octal(12));
    let archive = Archive::default().header(header).data(b"abcde").file("next", b"").end();
    assert_eq!(archive.list(), ["file - 12 ..ab..cde...", "next - 0"]);
}

#[test]
fn old_gnu_maps_go_on_in_extension_blocks() {
    let spans: Vec<_> = (0..47).map(|at| (2 * at, 1)).collect();
    let header = Header::new("file", b'S', 47).gnu().put(386, &ranges(&spans[..4])).put(482, &[1]);
    let archive = Archive::default()
        .header(header.put(483, &octal(94)))
        .raw(&[&ranges(&spans[4..25])[..], &[1; 8]].concat())
        .raw(&[&ranges(&spans[25..46])[..], &[1; 8]].concat())
        .data(&ranges(&spans[46..]))
        .data(&[b'x'; 47])
        .file("next", b"")
        .end();
    assert_eq!(archive.list(), [format!("file - 94 {}", "x.".repeat(47)), "next - 0".to_owned()]);
    let entry = &archive.read().unwrap()[0];
    assert_eq!((entry.data_offset, entry.stored_len, entry.sparse.as_ref().unwrap().len()), (4 * 512, 47, 47));
}

#[test]
fn stars_maps_are_elsewhere_in_the_header() {
    let header = Header::new("file", b'S', 2).put(356, &ranges(&[(1, 2)])).put(452, &octal(4));
    let archive = Archive::default().header(header.put(508, b"tar\0")).data(b"ab").end();
    assert_eq!(archive.list(), ["file - 4 .ab."]);
}

#[test]
fn pax_0_0_maps_are_pairs_of_records() {
    let records = [
        ("GNU.sparse.size", "6"),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "1"),
        ("GNU.sparse.numbytes", "1"),
        ("GNU.sparse.offset", "4"),
        ("GNU.sparse.numbytes", "1"),
    ];
    let archive = Archive::default().pax(b'x', &records).file("file", b"ab").file("next", b"").end();
    assert_eq!(archive.list(), ["file - 6 .a..b.", "next - 0"]);
}

#[test]
fn pax_0_1_maps_are_one_record() {
    let records = [("GNU.sparse.size", "6"), ("GNU.sparse.map", "1,1,4,1"), ("GNU.sparse.name", "dir/file")];
    let archive = Archive::default().pax(b'x', &records).file("GNUSparseFile.0/file", b"ab").file("next", b"").end();
    assert_eq!(archive.list(), ["dir/file - 6 .a..b.", "next - 0"]);
}

#[test]
fn pax_1_0_maps_stand_before_the_data() {
    let archive = version_1("2\n1\n1\n4\n1\n", b"ab", "6");
    assert_eq!(archive.list(), ["file - 6 .a..b.", "next - 0"]);
    let entry = &archive.read().unwrap()[0];
    assert_eq!((entry.data_offset, entry.stored_len), (1024 + 1024, 2));
    assert!(entry.member.records.is_empty());
}

#[test]
fn pax_1_0_maps_may_be_of_many_blocks_or_empty() {
    let spans: String = (0..300).map(|at| format!("{}\n1\n", 2 * at)).collect();
    let archive = version_1(&format!("300\n{spans}"), &[b'x'; 300], "600");
    assert_eq!(archive.list(), [format!("file - 600 {}", "x.".repeat(300)), "next - 0".to_owned()]);
    assert_eq!(version_1("0\n", b"", "3").list(), ["file - 3 ...", "next - 0"]);
}

/// GNU tar skips it, and so does everyone here: for whoever reads, and for whoever unpacks.
#[test]
fn what_is_stored_beyond_the_map_is_skipped_in_every_format() {
    let old = Header::new("file", b'S', 5).gnu().put(386, &ranges(&[(2, 2)])).put(483, &octal(6));
    let pairs = [("size", "6"), ("offset", "2"), ("numbytes", "2")];
    let pairs = pairs.map(|(name, value)| (format!("GNU.sparse.{name}"), value));
    let pairs: Vec<_> = pairs.iter().map(|(keyword, value)| (&keyword[..], *value)).collect();
    let map = [("GNU.sparse.size", "6"), ("GNU.sparse.map", "2,2")];
    let archives = [
        Archive::default().header(old).data(b"abXXX").file("next", b"").end(),
        Archive::default().pax(b'x', &pairs).file("file", b"abXXX").file("next", b"").end(),
        Archive::default().pax(b'x', &map).file("file", b"abXXX").file("next", b"").end(),
        version_1("1\n2\n2\n", b"abXXX", "6"),
    ];
    for archive in archives {
        assert_eq!(archive.list(), ["file - 6 ..ab..", "next - 0"]);
        assert_eq!(archive.read().unwrap()[0].stored_len, 5);
    }
}

#[test]
fn maps_that_make_no_sense_are_refused_with_the_offset() {
    let cases = [
        ("overlap", "2\n0\n5\n4\n1\n", &b"abcdef"[..], "9"),
        ("behind the end", "1\n5\n5\n", b"abcde", "9"),
        ("more than stored", "1\n0\n5\n", b"abc", "9"),
        ("overflow", "1\n18446744073709551615\n1\n", b"a", "9"),
        ("no number", "1\n-5\n5\n", b"abcde", "9"),
        ("too many", "1048577\n5\n5\n", b"abcde", "9"),
        ("goes on in the data", "9\n0\n1\n", b"a", "9"),
    ];
    for (what, lines, data, real_size) in cases {
        let error = version_1(lines, data, real_size).read().unwrap_err();
        assert!(matches!(error, ReadError::Sparse { offset: 1024, .. }), "{what}: {error:?}");
    }
}

#[test]
fn a_version_that_is_not_known_is_refused() {
    let records = [("GNU.sparse.major", "2"), ("GNU.sparse.minor", "0")];
    let error = Archive::default().pax(b'x', &records).file("file", b"").end().read().unwrap_err();
    assert!(matches!(error, ReadError::Sparse { .. }), "{error:?}");
}
