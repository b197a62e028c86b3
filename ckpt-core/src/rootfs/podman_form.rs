//! The changes of a root filesystem as podman has them in an archive: `rootfs-diff.tar` and `deleted.files`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aligntar::{Entry, Timestamp, Writer};
use layerfs::Layers;
use serde::de::DeserializeOwned;

use super::capture::{CaptureError, capture_diff};
use crate::archive::manifest::Manifest;
use crate::archive::own_member::file;
use crate::archive::supplement::{ManifestRootfs, Supplement};
use crate::archive::{ArchiveError, DELETED_FILES, MANIFEST, ROOTFS_DIFF, limits};
use crate::progress::Progress;

/// What podman's members cannot say.
pub(crate) struct Taken {
    /// Belongs in `ckpt.json`.
    pub(crate) for_manifest: ManifestRootfs,
    /// See [`Supplement::with_flags`](crate::archive::supplement::Supplement::with_flags).
    pub(crate) with_flags: usize,
}

/// Appends what `layers` change of the image. The members' headers carry `now`.
pub(crate) fn append_in_podmans_form(
    layers: &Layers,
    now: Timestamp,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<Taken, CaptureError> {
    let supplement =
        writer.append_nested(&file(ROOTFS_DIFF, now, 0), |writer| capture_diff(layers, writer, progress))?;
    let with_flags = supplement.with_flags;
    let (deleted, for_manifest) = supplement.split();
    append_deleted(&deleted, now, writer)?;
    Ok(Taken { for_manifest, with_flags })
}

/// What an archive in this form says, as far as it is read.
#[derive(Default)]
pub(super) struct Members {
    /// The nested archive of the files.
    pub(super) diff: Option<Entry>,
    deleted: Option<Entry>,
    manifest: Option<Entry>,
}

impl Members {
    /// Keeps the member if it is one that says something.
    pub(super) fn add(&mut self, entry: Entry, archive: &Path) -> Result<(), ArchiveError> {
        let place = match &entry.member.path[..] {
            path if path == ROOTFS_DIFF.as_bytes() => &mut self.diff,
            path if path == DELETED_FILES.as_bytes() => &mut self.deleted,
            path if path == MANIFEST.as_bytes() => &mut self.manifest,
            _ => return Ok(()),
        };
        if place.is_some() {
            let member = String::from_utf8_lossy(&entry.member.path).into_owned();
            return Err(ArchiveError::Twice { path: archive.to_owned(), member });
        }
        *place = Some(entry);
        Ok(())
    }

    /// What is no file.
    pub(super) fn supplement(&self, file: &File, archive: &Path) -> Result<Supplement, ArchiveError> {
        let deleted: Vec<String> = json(self.deleted.as_ref(), file, archive)?;
        let manifest: Manifest = json(self.manifest.as_ref(), file, archive)?;
        Ok(Supplement::join(deleted, manifest.rootfs))
    }
}

fn json<T: DeserializeOwned + Default>(entry: Option<&Entry>, file: &File, archive: &Path) -> Result<T, ArchiveError> {
    let Some(entry) = entry else { return Ok(T::default()) };
    let member = String::from_utf8_lossy(&entry.member.path).into_owned();
    let path = || archive.to_owned();
    let read_error = |source| ArchiveError::Io { call: "read", path: path(), source };
    limits::memory(&member, entry.member.size()).map_err(|source| read_error(io::Error::other(source)))?;
    let mut bytes = vec![0; entry.member.size() as usize];
    file.read_exact_at(&mut bytes, entry.data_offset).map_err(read_error)?;
    if limits::json(&member, &bytes).is_err() {
        return Err(ArchiveError::TooManyValues { path: path(), member });
    }
    serde_json::from_slice(&bytes).map_err(|source| ArchiveError::Json { path: path(), member, source })
}

/// podman reads `deleted.files` if it is there; without deletions it is not.
fn append_deleted(deleted: &[String], now: Timestamp, writer: &mut Writer<'_>) -> Result<(), CaptureError> {
    if deleted.is_empty() {
        return Ok(());
    }
    let json = serde_json::to_vec(deleted).expect("strings are JSON");
    limits::json(DELETED_FILES, &json)?;
    Ok(writer.append_bytes(&file(DELETED_FILES, now, json.len()), &json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aligntar::WriteOptions;

    #[test]
    fn more_deletions_than_a_restore_reads_are_refused() {
        let archive = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
        let now = Timestamp { secs: 0, nanos: 0 };
        let mut append = |deleted: Vec<String>| append_deleted(&deleted, now, &mut writer);
        append(vec!["/a".into(); 1 << 20]).unwrap();
        for (deleted, words) in [
            (
                vec!["/a".into(); (1 << 20) + 1],
                "deleted.files: it has 1048577 values, and at most 1048576 are accepted",
            ),
            (vec!["n".repeat(64 << 20)], "deleted.files: it has 67108868 bytes, and at most 67108864 are accepted"),
        ] {
            let error = append(deleted).unwrap_err();
            assert!(matches!(&error, CaptureError::Oversize(_)) && error.to_string().ends_with(words), "{error}");
        }
    }
}
