//! Limits hold, and what breaks one is an error that says where; the end of an archive is found.

use aligntar::{Decompressed, EndMarker, Limits, ReadError, Reader, StreamSource};

use crate::odd::{Archive, Header, Steps};

fn read_with(archive: &Archive, limits: Limits) -> Result<usize, ReadError> {
    let members: Result<Vec<_>, _> = Reader::new(StreamSource::new(&archive.0[..]), limits).collect();
    members.map(|members| members.len())
}

fn file_behind(archive: Archive) -> Archive {
    Archive::default().file("first", b"").raw(&archive.0).file("file", b"").end()
}

#[test]
fn bodies_over_a_limit_are_refused_before_they_are_read() {
    for (typeflag, limit) in [(b'x', 1 << 20), (b'g', 64 << 10), (b'L', 64 << 10), (b'K', 64 << 10)] {
        let archive = file_behind(Archive::default().header(Header::new("extension", typeflag, limit + 1)));
        let error = archive.read().unwrap_err();
        let expected = (512, limit + 1, limit);
        assert!(
            matches!(error, ReadError::TooLong { offset, len, limit, .. } if (offset, len, limit) == expected),
            "{error:?}"
        );
    }
}

#[test]
fn every_limit_can_be_set() {
    let record = "12345678901234567890123456";
    let cases = [
        (Archive::default().pax(b'x', &[("a", record)]), Limits { pax_body_bytes: 31, ..Limits::default() }),
        (Archive::default().pax(b'g', &[("a", record)]), Limits { global_body_bytes: 31, ..Limits::default() }),
        (Archive::default().extension(b'L', record.as_bytes()), Limits { gnu_name_bytes: 25, ..Limits::default() }),
        (
            Archive::default().pax(b'x', &[("GNU.sparse.map", "0,0,0,0"), ("GNU.sparse.size", "0")]),
            Limits { sparse_spans: 1, ..Limits::default() },
        ),
        (
            Archive::default().header(Header::new("", b'3', 0)).header(Header::new("", b'3', 0)),
            Limits { headers_per_member: 1, ..Limits::default() },
        ),
    ];
    for (archive, limits) in cases {
        let archive = file_behind(archive);
        assert_eq!(read_with(&archive, Limits::default()).unwrap(), 2);
        read_with(&archive, limits).unwrap_err();
    }
}

#[test]
fn headers_without_a_member_come_to_an_end() {
    let dummies = (0..1025).fold(Archive::default(), |archive, _| archive.header(Header::new("", b'3', 0)));
    let error = dummies.end().read().unwrap_err();
    assert!(matches!(error, ReadError::TooManyHeaders { offset: 524_288, limit: 1024 }), "{error:?}");
    let extension_blocks = (0..100)
        .fold(Archive::default().header(Header::new("file", b'S', 0).gnu().put(482, &[1])), |archive, _| {
            archive.raw(&[&[0; 504][..], &[1; 8]].concat())
        });
    read_with(&extension_blocks, Limits { sparse_spans: 1000, ..Limits::default() }).unwrap_err();
}

#[test]
fn a_million_records_are_read_in_time_that_grows_with_them() {
    let body = "7 a=bc\n".repeat(1_000_000) + "10 path=p\n";
    let archive = Archive::default().extension(b'x', body.as_bytes()).file("file", b"").end();
    assert!(matches!(archive.read(), Err(ReadError::TooLong { .. })));
    assert_eq!(read_with(&archive, Limits { pax_body_bytes: 8 << 20, ..Limits::default() }).unwrap(), 1);
}

#[test]
fn extensions_without_a_member_are_a_cut_archive() {
    for archive in [Archive::default().pax(b'x', &[("a", "b")]), Archive::default().extension(b'L', b"name\0")] {
        for archive in [archive.clone(), archive.end()] {
            assert!(matches!(archive.read(), Err(ReadError::Truncated { .. })));
        }
    }
    assert_eq!(Archive::default().file("file", b"").pax(b'g', &[("a", "b")]).read().unwrap().len(), 1);
}

#[test]
fn global_records_that_readers_disagree_on_are_refused() {
    for keyword in ["path", "linkpath", "size", "GNU.sparse.major"] {
        let error = file_behind(Archive::default().pax(b'g', &[(keyword, "1")])).read().unwrap_err();
        assert!(matches!(error, ReadError::Pax { offset: 512, .. }), "{keyword}: {error:?}");
    }
}

#[test]
fn members_of_another_volume_are_refused() {
    let error = file_behind(Archive::default().header(Header::new("rest", b'M', 0).gnu())).read().unwrap_err();
    assert!(matches!(error, ReadError::Unsupported { offset: 512, .. }), "{error:?}");
}

#[test]
fn the_end_marker_may_be_missing_unless_it_is_required() {
    let archive = Archive::default().file("one", b"data").file("two", b"data");
    for (archive, is_whole) in [(archive.clone(), false), (archive.clone().raw(&[0; 512]), true), (archive.end(), true)]
    {
        assert_eq!(archive.list(), ["one - 4 data", "two - 4 data"]);
        let file = archive.file_of();
        let reader = Reader::open(&file).unwrap().with_end_marker(EndMarker::Required);
        let members: Result<Vec<_>, _> = reader.collect();
        match is_whole {
            true => assert_eq!(members.unwrap().len(), 2),
            false => assert!(matches!(members, Err(ReadError::Truncated { offset: 2048 }))),
        }
    }
}

#[test]
fn what_follows_the_end_marker_does_not_count() {
    let archive = Archive::default().file("one", b"").end().raw(b"garbage").file("two", b"");
    assert_eq!(archive.list(), ["one - 0"]);
}

#[test]
fn archives_that_are_cut_inside_a_member_are_truncated() {
    let whole = Archive::default().pax(b'x', &[("mtime", "1.5")]).file("one", &[b'x'; 700]).file("two", b"").0;
    // Behind the first member, and behind the second: where an archive may end.
    let ends = [1024 + 512 + 1024, whole.len()];
    for len in 0..=whole.len() {
        let read = Archive(whole[..len].to_vec()).read();
        match read {
            Ok(entries) => assert_eq!(Some(len), ends.get(entries.len().wrapping_sub(1)).copied()),
            Err(error) => {
                assert!(!ends.contains(&len), "{len}: {error:?}");
                assert!(matches!(error, ReadError::Truncated { .. }), "{len}: {error:?}");
            }
        }
    }
}

#[test]
fn compressed_files_are_named_as_such() {
    for (magic, name) in [(&b"\xfd7zXZ\0"[..], "xz"), (b"BZh9", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd")] {
        for archive in [Archive::default().raw(magic), Archive::default().data(magic)] {
            let error = archive.read().unwrap_err().to_string();
            assert_eq!(error, format!("compressed with {name}: decompress it first"));
        }
    }
}

#[test]
fn compressed_archives_are_read_as_streams() {
    let archive = Archive::default().file("one", b"data").file("two", &[b'x'; 100_000]).end();
    let compressed = zstd::encode_all(&archive.0[..], 3).unwrap();
    let mut step = 1;
    while step < 2 * compressed.len() {
        let stream = Decompressed::new(Steps { bytes: &compressed, step }).unwrap();
        let members: Result<Vec<_>, _> = Reader::new(stream.into_source(), Limits::default()).collect();
        assert_eq!(members.unwrap(), archive.read().unwrap());
        step *= 2;
    }
    let stream = Decompressed::new(&compressed[..compressed.len() - 5]).unwrap();
    let members: Result<Vec<_>, _> = Reader::new(stream.into_source(), Limits::default()).collect();
    assert!(matches!(members, Err(ReadError::Truncated { .. })), "{members:?}");
}
