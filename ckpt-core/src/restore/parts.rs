//! The two archives that podman imports, made of the members of the one to restore.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aligntar::{Entry, Kind, Member, WriteOptions, Writer};

use super::{RestoreError, RestoreOptions, devshm};
use crate::archive::dumps::Dumps;
use crate::archive::{ARTIFACTS, CheckpointArchive, ContainerConfig, NETWORK_STATUS, STATS_DUMP};

/// Who the new container is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) id: String,
    /// Whether both are other ones than before.
    pub(super) is_new: bool,
}

impl Identity {
    /// A new name comes with a new ID. podman would choose one at random; chosen here, it tells beforehand which
    /// container is this run's.
    pub(super) fn of(options: &RestoreOptions, config: &ContainerConfig) -> Result<Self, RestoreError> {
        Ok(match &options.name {
            Some(name) => Identity { name: name.clone(), id: random_id().map_err(RestoreError::Random)?, is_new: true },
            None => Identity { name: config.name.clone(), id: config.id.clone(), is_new: false },
        })
    }

    /// Writes its name and ID into podman's configuration.
    pub(super) fn put_into(&self, dumps: &mut Dumps) {
        if self.is_new {
            dumps.set("id", &self.id);
            dumps.set("name", &self.name);
        }
    }
}

/// 64 hexadecimal digits, of which the first 12 are no number: podman takes those for none of its IDs
/// (containers/storage, `stringid.GenerateRandomID`).
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

/// What podman reads before it makes the container.
pub(super) fn first(dumps: &Dumps, folder: &Path) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    for (name, bytes) in dumps.members() {
        append_bytes(&mut writer, name.to_owned(), &bytes)?;
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

/// What podman exports besides what this program puts in place or makes anew (`exportCheckpoint` in
/// libpod/container_internal_common.go), and nothing else: in the bundle, a `restore.log` would be taken for CRIU's.
fn is_second(path: &[u8]) -> bool {
    let files = [NETWORK_STATUS, STATS_DUMP, ARTIFACTS].map(str::as_bytes);
    files.contains(&path) || path.strip_prefix(ARTIFACTS.as_bytes()).is_some_and(|below| below.starts_with(b"/"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_gets_into_its_bundle_what_it_exports_and_nothing_else() {
        for (path, passed) in [
            ("network.status", true),
            ("stats-dump", true),
            ("artifacts", true),
            ("artifacts/create-config", true),
            ("artifacts2", false),
            ("restore.log", false),
            ("dump.log", false),
            ("config.json", false),
            ("secrets/key", false),
            ("checkpoint/inventory.img", false),
            ("volumes/v.tar", false),
            ("devshm-checkpoint.tar", false),
        ] {
            assert_eq!(is_second(path.as_bytes()), passed, "{path}");
        }
    }
}
