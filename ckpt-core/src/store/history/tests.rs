//! Histories of archives that are made here: small, but whole.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use aligntar::{Kind, Member, WriteOptions, Writer};

use super::*;
use crate::archive::manifest::{Manifest, ManifestSave};
use crate::archive::{CHECKPOINT, CONFIG_DUMP, INVENTORY, MANIFEST, SPEC_DUMP};

/// What an archive says of itself.
struct Archive {
    file: &'static str,
    container: &'static str,
    created: &'static str,
    save: Option<ManifestSave>,
}

fn save(id: &str, sequence: u64, tags: &[&str]) -> Option<ManifestSave> {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    Some(ManifestSave { id: id.to_owned(), sequence, tags, note: String::new() })
}

fn make(folder: &Path, archive: Archive) {
    let file = File::create(folder.join(archive.file)).unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    let manifest = Manifest { created: archive.created.to_owned(), save: archive.save, ..Manifest::default() };
    let config = serde_json::json!({ "id": "ab".repeat(32), "name": archive.container });
    writer.append(&Member::new(CHECKPOINT, Kind::Directory, 0o700)).unwrap();
    for (name, bytes) in [
        (INVENTORY, b"x".to_vec()),
        ("checkpoint/pages-1.img", vec![7; 8192]),
        (CONFIG_DUMP, config.to_string().into_bytes()),
        (SPEC_DUMP, b"{}".to_vec()),
        (MANIFEST, serde_json::to_vec(&manifest).unwrap()),
    ] {
        let member = Member::new(name, Kind::Regular { size: bytes.len() as u64 }, 0o600);
        writer.append_bytes(&member, &bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn web(file: &'static str, created: &'static str, save: Option<ManifestSave>) -> Archive {
    Archive { file, container: "web", created, save }
}

const ONE: &str = "1111111111111111";
const TWO: &str = "2222222222222222";
const THREE: &str = "2233333333333333";

/// The third was made when the clock had gone backwards; one was put there by hand.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), web("a.tar", "2026-01-01T00:00:00Z", save(ONE, 1, &["first"])));
    make(folder.path(), web("c.tar", "2026-01-03T00:00:00Z", save(TWO, 2, &["nightly"])));
    make(folder.path(), web("b.tar", "2025-01-01T00:00:00Z", save(THREE, 3, &["nightly", "1111"])));
    make(folder.path(), web("by-hand.tar", "2026-01-02T00:00:00Z", None));
    folder
}

fn files(history: &History) -> Vec<&str> {
    history.saves().iter().map(|saved| saved.file.0.to_str().unwrap()).collect()
}

#[test]
fn saves_stand_in_the_order_of_their_numbers() {
    let folder = folder();
    let history = read(folder.path(), "web").unwrap();
    assert_eq!(files(&history), ["a.tar", "by-hand.tar", "c.tar", "b.tar"]);
    assert_eq!(history.places(), [Some(4), Some(3), Some(2), Some(1)]);
    assert_eq!(history.next_sequence(), 4);
    let saved = &history.saves()[0];
    assert_eq!((&saved.id[..], saved.memory_bytes, saved.is_whole()), (ONE, 8192, true));
    assert_eq!(saved.created.to_string(), "2026-01-01T00:00:00Z");
}

#[test]
fn a_save_is_found_by_place_id_and_tag() {
    let folder = folder();
    let history = read(folder.path(), "web").unwrap();
    let found = |which: Which| history.find(&which).map(|saved| saved.file.0.to_str().unwrap());
    for (which, expected) in [(Which::Back(1), "b.tar"), (Which::Back(4), "a.tar")] {
        assert_eq!(found(which).unwrap(), expected);
    }
    for (word, expected) in
        [("first", "a.tar"), ("nightly", "b.tar"), ("11111", "a.tar"), ("2233", "b.tar"), ("222", "c.tar")]
    {
        assert_eq!(found(Which::Word(word.into())).unwrap(), expected, "{word}");
    }
    let by_name = history.saves()[1].id.clone();
    assert_eq!(found(Which::Word(by_name)).unwrap(), "by-hand.tar");
    assert!(matches!(found(Which::Back(0)), Err(StoreError::Present { .. })));
    assert!(matches!(found(Which::Back(5)), Err(StoreError::TooFar { count: 4, .. })));
    assert!(matches!(found(Which::Word("firs".into())), Err(StoreError::Unknown { .. })));
    for word in ["22", "1111"] {
        assert!(matches!(found(Which::Word(word.into())), Err(StoreError::Ambiguous { .. })), "{word}");
    }
}

#[test]
fn the_index_can_be_lost_damaged_or_behind() {
    let folder = folder();
    let before = read(folder.path(), "web").unwrap().saves().to_vec();
    let index = folder.path().join(".index.json");
    for damage in [&b""[..], b"{", b"{\"version\":2,\"archives\":[]}", b"[[[[[[", b"\xff"] {
        fs::write(&index, damage).unwrap();
        assert_eq!(read(folder.path(), "web").unwrap().saves(), before);
    }
    fs::remove_file(&index).unwrap();
    assert_eq!(read(folder.path(), "web").unwrap().saves(), before);
    assert!(index.exists());
    fs::remove_file(folder.path().join("a.tar")).unwrap();
    fs::rename(folder.path().join("b.tar"), folder.path().join("d.tar")).unwrap();
    make(folder.path(), web("c.tar", "2026-01-03T00:00:00Z", save(TWO, 2, &["replaced"])));
    let history = read(folder.path(), "web").unwrap();
    assert_eq!(files(&history), ["by-hand.tar", "c.tar", "d.tar"]);
    assert_eq!(history.saves()[1].tags, ["replaced"]);
}

/// A reader must not take another container's archive, or none at all, for one of this one's.
#[test]
fn what_is_no_archive_of_the_container_is_told_and_left() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), Archive { file: "db.tar", container: "db", created: "2026-01-01T00:00:00Z", save: None });
    fs::write(folder.path().join("text.tar"), "no archive").unwrap();
    fs::write(folder.path().join("packed.tar"), b"\x1f\x8b\x08\0\0\0\0\0\0\0").unwrap();
    for other in ["web.tar.zst", ".hidden.tar", "notes.txt"] {
        fs::write(folder.path().join(other), "").unwrap();
    }
    fs::create_dir(folder.path().join("folder.tar")).unwrap();
    symlink("db.tar", folder.path().join("link.tar")).unwrap();
    let history = read(folder.path(), "web").unwrap();
    assert!(history.saves().is_empty());
    let mut told: Vec<_> = history.problems().iter().map(|problem| problem.path.file_name().unwrap()).collect();
    told.sort();
    assert_eq!(told, ["db.tar", "packed.tar", "text.tar"]);
}
