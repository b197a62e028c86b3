//! The two archives that podman gets at its door, made of the members of the one to restore.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aligntar::{Entry, Kind, Member, WriteOptions, Writer};

use super::{RestoreError, RestoreOptions, devshm};
use crate::archive::{
    CHECKPOINT, CONFIG_DUMP, CheckpointArchive, ContainerConfig, DELETED_FILES, DEVSHM, LOG, MANIFEST, NETWORK_STATUS,
    ROOTFS_DIFF, SPEC_DUMP, VOLUMES,
};
use crate::go_json::Json;

/// Who the new container is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) id: String,
    /// Whether both are other ones than before.
    pub(super) is_new: bool,
}

impl Identity {
    /// A new name comes with a new ID. podman would throw its own dice for it: who throws before knows beforehand which
    /// container is ours.
    pub(super) fn of(options: &RestoreOptions, config: &ContainerConfig) -> Result<Self, RestoreError> {
        Ok(match &options.name {
            Some(name) => Identity { name: name.clone(), id: random_id().map_err(RestoreError::Random)?, is_new: true },
            None => Identity { name: config.name.clone(), id: config.id.clone(), is_new: false },
        })
    }
}

/// 64 hexadecimal digits, of which the first 12 are no number: podman takes those for none of its IDs (containers/storage,
/// `stringid.GenerateRandomID`).
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 32];
    loop {
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if !id.bytes().take(12).all(|digit| digit.is_ascii_digit()) {
            return Ok(id);
        }
    }
}

/// What podman reads before it makes the container, on another image than the recorded one if that is given.
pub(super) fn first(
    archive: &CheckpointArchive,
    folder: &Path,
    identity: &Identity,
    other_image: Option<String>,
) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    if identity.is_new || other_image.is_some() {
        append(&mut writer, archive, |path| path == SPEC_DUMP.as_bytes())?;
        append_bytes(&mut writer, CONFIG_DUMP.to_owned(), &config(archive, identity, other_image)?)?;
    } else {
        append(&mut writer, archive, is_first)?;
    }
    writer.finish()?;
    Ok(part)
}

/// What podman itself puts in place afterwards. A container with a new name gets other addresses than before, as with
/// podman's `--name`: from what says which it had.
pub(super) fn second(archive: &CheckpointArchive, folder: &Path, identity: &Identity) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    append(&mut writer, archive, |path| is_second(path) && !(identity.is_new && path == NETWORK_STATUS.as_bytes()))?;
    devshm::append(&mut writer, archive)?;
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

fn config(
    archive: &CheckpointArchive,
    identity: &Identity,
    other_image: Option<String>,
) -> Result<Vec<u8>, RestoreError> {
    let mut config: Json = archive.dump(CONFIG_DUMP)?;
    if identity.is_new {
        config.set("id", identity.id.clone());
        config.set("name", identity.name.clone());
    }
    if let Some(id) = other_image {
        config.set("rootfsImageID", id);
    }
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
