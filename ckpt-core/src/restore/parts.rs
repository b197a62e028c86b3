//! The two archives that podman imports, made of the members of the one to restore.

use std::fs::File;
use std::path::{Path, PathBuf};

use aligntar::{Entry, Kind, Member, WriteOptions, Writer};

use super::{RestoreError, devshm};
use crate::archive::dumps::Dumps;
use crate::archive::{ARTIFACTS, CheckpointArchive, NETWORK_STATUS, STATS_DUMP};

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

/// What podman itself puts in place afterwards. A container that is a new one gets other addresses than before, as with
/// podman's `--name`: from what says which it had. `fills_shm` says whether podman puts files into /dev/shm.
pub(super) fn second(
    archive: &CheckpointArchive,
    folder: &Path,
    is_new: bool,
    fills_shm: bool,
) -> Result<File, RestoreError> {
    let part = nameless_file(folder)?;
    let mut writer = Writer::new(&part, WriteOptions::default())?;
    append(&mut writer, archive, |path| is_second(path) && !(is_new && path == NETWORK_STATUS.as_bytes()))?;
    devshm::append(&mut writer, archive, fills_shm)?;
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
