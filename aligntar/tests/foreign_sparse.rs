//! Sparse files as GNU tar archives them, in each of its formats, are read and taken out as they were.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use aligntar::{ClonePolicy, DataSpan, Entry, Limits, Reader, StreamSource, WriteOptions, Writer};

const SIZE: u64 = 64 << 20;

/// Data of 4096 bytes, each place another; more of them than the maps of the formats hold in one block.
fn places() -> impl Iterator<Item = (u64, u8)> {
    (0..200).map(|number| (number * 300 * 1024, 1 + number as u8))
}

fn make(path: &Path) {
    let file = File::create(path).unwrap();
    for (offset, byte) in places() {
        file.write_all_at(&[byte; 4096], offset).unwrap();
    }
    file.set_len(SIZE).unwrap();
}

fn read_of(folder: &Path, options: &[&str]) -> (File, Entry) {
    let mut tar = Command::new("tar");
    tar.args(["--sparse", "-cf", "x.tar"]).args(options).arg("file").current_dir(folder);
    assert!(tar.status().unwrap().success(), "{options:?}");
    let archive = File::open(folder.join("x.tar")).unwrap();
    assert!(archive.metadata().unwrap().len() < 2 << 20, "{options:?}: not sparse");
    let mut entries = Reader::open(&archive).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(entries.len(), 1);
    (archive, entries.remove(0))
}

#[test]
fn sparse_files_of_every_format_are_read() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    make(&folder.path().join("file"));
    let original = fs::read(folder.path().join("file")).unwrap();
    let formats: [&[&str]; 5] = [
        &["--format=oldgnu"],
        &["--format=gnu"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ];
    for format in formats {
        let (archive, entry) = read_of(folder.path(), format);
        assert_eq!((&entry.member.path[..], entry.member.size()), (&b"file"[..], SIZE), "{format:?}");
        let spans: Vec<_> = places().map(|(offset, _)| DataSpan { offset, length: 4096 }).collect();
        assert_eq!(entry.sparse.as_ref(), Some(&spans), "{format:?}");

        let mut data = Vec::new();
        Reader::open(&archive).unwrap().data(&entry).read_to_end(&mut data).unwrap();
        assert!(data == original, "{format:?}");

        let again = tempfile::tempfile_in(folder.path()).unwrap();
        let mut writer = Writer::new(&again, WriteOptions::default()).unwrap();
        // As one that is decompressed on the way.
        let stream = StreamSource::new(&archive);
        (&archive).rewind().unwrap();
        let mut reader = Reader::new(stream, Limits::default());
        let streamed = reader.next_entry().unwrap().unwrap();
        writer.append_entry_from(&streamed, reader.source_mut()).unwrap();
        writer.finish().unwrap();
        assert!(again.metadata().unwrap().blocks() * 512 < 2 << 20, "{format:?}");
        let whole = Reader::open(&again).unwrap().next_entry().unwrap().unwrap();
        let mut data = Vec::new();
        Reader::open(&again).unwrap().data(&whole).read_to_end(&mut data).unwrap();
        assert!(data == original, "{format:?}");

        let target = File::create_new(folder.path().join("target")).unwrap();
        let moved = entry.clone_to(&archive, &target, ClonePolicy::IfPossible).unwrap();
        assert_eq!(moved.hole_bytes, SIZE - 200 * 4096, "{format:?}");
        assert!(fs::read(folder.path().join("target")).unwrap() == original, "{format:?}");
        assert!(target.metadata().unwrap().blocks() * 512 < 2 << 20, "{format:?}");
        fs::remove_file(folder.path().join("target")).unwrap();
    }
}
