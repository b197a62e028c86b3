//! Mounts out of the images.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use criu_images::{Images, MntEntry};

use super::budget::Budget;
use crate::archive::{CheckpointArchive, SPEC_DUMP};
use crate::inside::error::InsideError;
use crate::inside::mount::{MountPoint, Mounts, MountsOfSpec};

/// `MS_RDONLY`, linux/mount.h.
const READ_ONLY: u32 = 1;

pub(super) fn read(
    archive: &CheckpointArchive,
    images: &Images,
    has_memory: bool,
    budget: &mut Budget,
) -> Result<Mounts, InsideError> {
    let MountsOfSpec { mounts: configured } = archive.dump(SPEC_DUMP)?;
    let mut mounted = Vec::new();
    if has_memory {
        for (namespace_id, name) in numbered(images, "mountpoints-") {
            for entry in images.messages::<MntEntry>(name)?.iter() {
                let entry = entry?;
                budget.spend(entry.mountpoint.len() + entry.root.len() + entry.source.len() + entry.options.len())?;
                mounted.push(mount_point(namespace_id, entry));
            }
        }
    }
    Ok(Mounts { configured, mounted })
}

/// The images whose names are `prefix`, a number, and `.img`.
pub(super) fn numbered<'i>(images: &'i Images, prefix: &'i str) -> impl Iterator<Item = (u64, &'i str)> {
    images.names().filter_map(move |name| {
        let number = name.strip_prefix(prefix)?.strip_suffix(".img")?;
        Some((number.parse().ok()?, name))
    })
}

fn mount_point(namespace_id: u64, entry: MntEntry) -> MountPoint {
    let path = |bytes: &[u8]| OsStr::from_bytes(bytes).into();
    // CRIU keeps them relative to its own root: `./proc`.
    let mount_point = entry.mountpoint.strip_prefix(b".").unwrap_or(&entry.mountpoint);
    MountPoint {
        namespace_id,
        id: entry.mnt_id.into(),
        parent_id: entry.parent_mnt_id.into(),
        mount_point: path(if mount_point.is_empty() { b"/" } else { mount_point }),
        root: path(&entry.root),
        file_system: String::from_utf8_lossy(entry.file_system()).into_owned(),
        read_only: entry.flags & READ_ONLY != 0,
        external: Some(entry.is_external()),
        source: entry.source.into(),
        options: entry.options.into(),
    }
}
