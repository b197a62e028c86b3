//! A container or an archive against the image it comes from.

use std::path::Path;

use aligntar::{Entry, Kind};
use layerfs::{Change, ContainersStorage, Layers, Lowers, WalkError};
use rustix::fs::{FileType, Stat};

use super::difference::{DiffReport, Difference, Letter, is_podmans_own, seen};
use super::error::DifferenceError;
use crate::archive::supplement::{Supplement, relative};
use crate::archive::{CheckpointArchive, ROOTFS_DIFF};
use crate::host::byte_path::BytePath;

type Visit<'v, E> = &'v mut dyn FnMut(Difference) -> Result<(), E>;

pub(super) fn container<E>(layers: &Layers, visit: Visit<'_, E>) -> Result<(), DifferenceError<E>> {
    let walked = layerfs::walk(layers, |change| match change {
        Change::Deleted { path, .. } | Change::Present(layerfs::Present { path, .. }) if is_omitted(path) => Ok(()),
        // As the root, a directory is in the upperdir for whatever is below it.
        Change::Present(present) if present.path == layers.part && is_directory(&present.stat) => Ok(()),
        Change::Deleted { path, stat } => {
            let (path, old_size) = (seen(path, &layers.part), size_of(&stat));
            visit(Difference { change: Letter::D, path, old_size, size: None }).map_err(DifferenceError::Visit)
        }
        Change::Present(present) => {
            let replaced = present.replaced()?;
            let path = seen(present.path, &layers.part);
            visit(difference(path, replaced.as_ref(), size_of(&present.stat))).map_err(DifferenceError::Visit)
        }
    });
    match walked {
        Ok(_) => Ok(()),
        Err(WalkError::Diff(error)) => Err(error.into()),
        Err(WalkError::Visit(error)) => Err(error),
    }
}

/// An archive has all of its tree.
const WHOLE: &str = "";

/// The root is in every upperdir, changed or not.
fn is_omitted(path: &Path) -> bool {
    path.as_os_str().is_empty() || is_podmans_own(path)
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn difference(path: BytePath, replaced: Option<&Stat>, size: Option<u64>) -> Difference {
    let change = if replaced.is_some() { Letter::C } else { Letter::A };
    Difference { change, path, old_size: replaced.and_then(size_of), size }
}

pub(super) fn size_of(stat: &Stat) -> Option<u64> {
    let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    u64::try_from(stat.st_size).ok().filter(|_| is_regular)
}

pub(super) fn archive<E>(path: &Path, spool: &Path, visit: Visit<'_, E>) -> Result<DiffReport, DifferenceError<E>> {
    let archive = CheckpointArchive::open(path, spool)?;
    let lowers = image_layers(&archive)?;
    let mut differences = present(&archive, lowers.as_ref())?;
    let Supplement { deleted, sockets, .. } = archive.supplement()?;
    for path in deleted.iter().filter(|path| !is_omitted(path)) {
        let old_size = replaced(lowers.as_ref(), path)?.as_ref().and_then(size_of);
        differences.push(Difference { change: Letter::D, path: seen(path, Path::new(WHOLE)), old_size, size: None });
    }
    for socket in &sockets {
        differences.push(of_member(lowers.as_ref(), socket.path.as_ref(), None)?);
    }
    differences.sort_by(|one, other| one.path.cmp(&other.path));
    differences.into_iter().try_for_each(visit).map_err(DifferenceError::Visit)?;
    Ok(DiffReport { image_missing: lowers.is_none() })
}

fn present<E>(archive: &CheckpointArchive, lowers: Option<&Lowers>) -> Result<Vec<Difference>, DifferenceError<E>> {
    let mut differences = Vec::new();
    let members = archive.entry(ROOTFS_DIFF).map(|diff| archive.nested(diff)).transpose()?;
    for entry in members.into_iter().flatten() {
        let entry = entry?;
        let path = relative(&entry.member.path);
        if !is_omitted(&path) {
            differences.push(of_member(lowers, &path, member_size(&entry))?);
        }
    }
    Ok(differences)
}

fn member_size(entry: &Entry) -> Option<u64> {
    match entry.member.kind {
        Kind::Regular { size } => Some(size),
        _ => None,
    }
}

fn of_member<E>(lowers: Option<&Lowers>, path: &Path, size: Option<u64>) -> Result<Difference, DifferenceError<E>> {
    let old = replaced(lowers, path)?;
    Ok(Difference {
        change: letter(lowers, old.as_ref()),
        ..difference(seen(path, Path::new(WHOLE)), old.as_ref(), size)
    })
}

/// Of a file that is there now.
pub(super) fn letter(lowers: Option<&Lowers>, old: Option<&Stat>) -> Letter {
    if lowers.is_some() && old.is_none() { Letter::A } else { Letter::C }
}

pub(super) fn replaced<E>(lowers: Option<&Lowers>, path: &Path) -> Result<Option<Stat>, DifferenceError<E>> {
    let Some(lowers) = lowers else { return Ok(None) };
    Ok(lowers.lookup(path)?.map(|entry| entry.stat))
}

/// The layers of the image that the archive names, if this host's storage has it.
pub(super) fn image_layers<E>(archive: &CheckpointArchive) -> Result<Option<Lowers>, DifferenceError<E>> {
    let storage = ContainersStorage::from_storage_conf()?;
    let image = storage.image(&archive.config()?.image_id)?;
    let Some(layer) = image.and_then(|image| image.layer) else { return Ok(None) };
    let mut layers = storage.layers_of(&layer)?;
    // Seen from a container, the image's own top layer is a lower one.
    layers.lowerdirs.insert(0, layers.upperdir.clone());
    Ok(Some(Lowers::open(&layers)?))
}
