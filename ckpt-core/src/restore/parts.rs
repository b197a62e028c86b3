//! The two archives that podman gets at its door, made of the members of the one to restore.

use std::fs::File;
use std::path::{Path, PathBuf};

use aligntar::{Entry, Kind, Member, WriteOptions, Writer};

use super::{RestoreError, devshm};
use crate::archive::{
    CHECKPOINT, CONFIG_DUMP, CheckpointArchive, DELETED_FILES, DEVSHM, LOG, MANIFEST, ROOTFS_DIFF, SPEC_DUMP, VOLUMES,
};
use crate::go_json::Json;

/// What podman reads before it makes the container, on another image than the recorded one if that is given.
pub(super) fn first(
    archive: &CheckpointArchive,
    folder: &Path,
    other_image: Option<String>,
) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    match other_image {
        None => append(&mut writer, archive, is_first)?,
        Some(id) => {
            append(&mut writer, archive, |path| path == SPEC_DUMP.as_bytes())?;
            append_bytes(&mut writer, CONFIG_DUMP.to_owned(), &config_with_image(archive, id)?)?;
        }
    }
    writer.finish()?;
    Ok(part)
}

/// What podman itself puts in place afterwards. `volumes` get an empty archive each: podman fails without.
pub(super) fn second(archive: &CheckpointArchive, folder: &Path, volumes: &[String]) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    append(&mut writer, archive, is_second)?;
    devshm::append(&mut writer, archive)?;
    for name in volumes {
        append_bytes(&mut writer, format!("{VOLUMES}{name}.tar"), &[0; 1024])?;
    }
    writer.finish()?;
    Ok(part)
}

fn is_first(path: &[u8]) -> bool {
    path == CONFIG_DUMP.as_bytes() || path == SPEC_DUMP.as_bytes()
}

/// What neither this program puts in place or makes anew nor podman has had already.
fn is_second(path: &[u8]) -> bool {
    let is_ours = [ROOTFS_DIFF, DELETED_FILES, DEVSHM, MANIFEST, CHECKPOINT, LOG].map(str::as_bytes).contains(&path);
    let is_below = |folder: &str| path.starts_with(folder.as_bytes());
    !is_first(path) && !is_ours && !is_below(VOLUMES) && !is_below("checkpoint/") && !is_below("volumes")
}

fn config_with_image(archive: &CheckpointArchive, id: String) -> Result<Vec<u8>, RestoreError> {
    let mut config: Json = archive.dump(CONFIG_DUMP)?;
    config.set("rootfsImageID", id);
    Ok(serde_json::to_vec(&config).expect("it was JSON, and its keys are strings"))
}

fn nameless_file(folder: &Path) -> Result<File, RestoreError> {
    tempfile::tempfile_in(folder).map_err(|source| RestoreError::Stage { folder: PathBuf::from(folder), source })
}

/// The members that `wanted` picks; their data is cloned where it can be.
fn append(
    writer: &mut Writer<'_>,
    archive: &CheckpointArchive,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<(), RestoreError> {
    for Entry { member, data_offset, .. } in archive.entries().filter(|entry| wanted(&entry.member.path)) {
        writer.append_file_at(member, archive.file(), *data_offset)?;
    }
    Ok(())
}

fn append_bytes(writer: &mut Writer<'_>, path: String, bytes: &[u8]) -> Result<(), RestoreError> {
    let member = Member::new(path, Kind::Regular { size: bytes.len() as u64 }, 0o600);
    Ok(writer.append_bytes(&member, bytes)?)
}
