//! What podman's database says of the storage, where that costs no call of podman.
//!
//! podman notes its paths at its first start, and from then on believes the note, whatever storage.conf says (libpod,
//! `mergeDBConfig`): a storage that was moved is still looked for in its old place. An answer of podman takes as long as a
//! small restore; but the note is one record of an SQLite database, the texts of which lie one behind the other
//! (<https://www.sqlite.org/fileformat2.html#record_format>). Found so, it proves that both agree; not found, it proves
//! nothing, and podman has to be asked.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Below the graph root; until 4.8 podman had another database, in which the texts lie apart.
const DATABASE: &str = "db.sql";

/// The note is made before there is any container: it lies in the first pages. Bytes.
const BEGINNING: u64 = 1 << 20;

/// Whether the database in `graph_root` says that the storage is there, its transient part in `run_root`, and the driver
/// overlay.
pub(super) fn agrees(graph_root: &Path, run_root: &Path) -> bool {
    let text = |path: &Path| path.components().collect::<PathBuf>().into_os_string().into_encoded_bytes();
    // The columns GraphRoot, RunRoot and GraphDriver of `DBConfig` (libpod/sqlite_state_internal.go).
    let note = [&text(graph_root)[..], &text(run_root), b"overlay"].concat();
    beginning(&graph_root.join(DATABASE)).is_ok_and(|bytes| bytes.windows(note.len()).any(|window| window == note))
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn podmans_note_is_found_only_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (graph, run) = (folder.path(), Path::new("/run/containers/storage"));
        let write = |note: String| fs::write(graph.join(DATABASE), format!("\0\x17{note}/volumes\0")).unwrap();
        assert!(!agrees(graph, run));
        let root = graph.display();
        for (note, is_it) in [
            (format!("linux{root}/libpod/run/libpod{root}/run/containers/storageoverlay{root}"), true),
            (format!("{root}/run/containers/storage2overlay{root}"), false),
            (format!("{root}/run/containers/storagevfs{root}"), false),
            (format!("{root}2/run/containers/storageoverlay{root}"), false),
            (format!("/other/run/containers/storageoverlay{root}"), false),
        ] {
            write(note.clone());
            assert_eq!(agrees(&graph.join("."), run), is_it, "{note}");
        }
    }
}
