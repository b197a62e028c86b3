//! Puts the container's files where podman expects them: its log, CRIU's images, the upperdir, the volumes' data.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use aligntar::{Entry, Transferred};
use layerfs::{Container, Layers};

use super::late_pages::LatePages;
use super::own_names;
use super::plan::RestorePlan;
use super::prepared::Purpose;
use super::repairs::{Repairs, Root, Times};
use super::used_volumes::mark_used;
use super::{FilesError, RestoreOptions};
use crate::archive::{ArchiveError, CHECKPOINT, LOG, MANIFEST, ROOTFS_DIFF, VOLUMES};
use crate::progress::Progress;
use crate::recovery::journal::Begun;
use crate::rootfs::{extract_diff, extract_tree};

/// What was done, and what is left to be done.
pub(crate) struct Placed {
    pub(crate) moved: Transferred,
    /// When all is mounted.
    pub(crate) repairs: Repairs,
    /// When CRIU has come to the page server.
    pub(crate) late_pages: LatePages,
}

/// Fills the new container's bundle, layer and `volumes`: names, with the folders of their data.
pub(crate) fn place(
    plan: &RestorePlan<'_>,
    options: &RestoreOptions,
    container: &Container,
    (begun, volumes): (&Begun, &[(String, PathBuf)]),
    progress: &mut dyn Progress,
) -> Result<Placed, FilesError> {
    let mut repairs = Repairs::default();
    let layers = plan.prepared.storage.layers_of_container(container)?;
    let (mut moved, late_pages) = place_bundle(plan, options, container, progress)?;
    if !options.ignore_rootfs {
        moved += place_rootfs(plan, options, &layers, &mut repairs, progress)?;
    }
    let shm = plan.prepared.storage.userdata_dir(container).join("shm");
    repairs.add_shm(&plan.prepared.archive, shm, plan.prepared.has_own_shm)?;
    mark_used(plan, begun, &layers, volumes, progress)?;
    moved += place_volumes(plan, options, volumes, &mut repairs, progress)?;
    Ok(Placed { moved, repairs, late_pages })
}

fn place_rootfs(
    plan: &RestorePlan<'_>,
    options: &RestoreOptions,
    layers: &Layers,
    repairs: &mut Repairs,
    progress: &mut dyn Progress,
) -> Result<Transferred, FilesError> {
    let archive = &plan.prepared.archive;
    let members = archive.entry(ROOTFS_DIFF).map(|diff| archive.nested(diff)).transpose()?;
    let supplement = archive.supplement()?;
    let mut root = Root::new(layers);
    let members = members.into_iter().flatten().inspect(|entry| entry.iter().for_each(|entry| root.note(entry)));
    let moved = extract_diff(&mut archive.source()?, members, &supplement, layers, options.clone_policy, progress)?;
    root.placed(&supplement.sockets, layers, archive.entry(MANIFEST).is_some())?;
    repairs.add_root(root);
    Ok(moved)
}

fn place_bundle(
    plan: &RestorePlan<'_>,
    options: &RestoreOptions,
    container: &Container,
    progress: &mut dyn Progress,
) -> Result<(Transferred, LatePages), FilesError> {
    let bundle = plan.prepared.storage.userdata_dir(container);
    let log = plan.prepared.archive.entry(LOG).into_iter().map(|entry| Ok(entry.clone()));
    let mut moved = extract_tree(&mut plan.prepared.archive.source()?, log, &bundle, options.clone_policy, progress)?;
    if !plan.prepared.archive.has_memory() {
        return Ok((moved, LatePages::default()));
    }
    let image_dir = bundle.join(CHECKPOINT);
    let image_error = |source| FilesError::Images { path: image_dir.clone(), source };
    DirBuilder::new().mode(0o700).create(&image_dir).map_err(image_error)?;
    let late_pages = LatePages::choose(plan, options, &image_dir).map_err(image_error)?;
    let images = plan.prepared.archive.entries().filter(|entry| !late_pages.has(entry));
    let images = images.filter_map(|entry| Some((entry, image_name(entry)?)));
    let members = images.map(|(entry, name)| {
        let mut entry = entry.clone();
        entry.member.path = name.to_vec();
        Ok::<_, ArchiveError>(entry)
    });
    moved += extract_tree(&mut plan.prepared.archive.source()?, members, &image_dir, options.clone_policy, progress)?;
    let (old, new) = (&plan.prepared.config.id, &container.id);
    own_names::in_cgroups(&image_dir, old, new).map_err(image_error)?;
    if plan.prepared.purpose == Purpose::Copies {
        own_names::in_host_names(&image_dir, old, new).map_err(image_error)?;
    }
    Ok((moved, late_pages))
}

/// The path of an image below the image directory.
fn image_name(entry: &Entry) -> Option<&[u8]> {
    entry.member.path.strip_prefix(b"checkpoint/")
}

fn place_volumes(
    plan: &RestorePlan<'_>,
    options: &RestoreOptions,
    volumes: &[(String, PathBuf)],
    repairs: &mut Repairs,
    progress: &mut dyn Progress,
) -> Result<Transferred, FilesError> {
    let mut moved = Transferred::default();
    for (name, data) in volumes {
        let Some(entry) = plan.prepared.archive.entry(&format!("{VOLUMES}{}.tar", plan.origin(name))) else { continue };
        let mut times = Times::below(data.clone());
        let members = plan.prepared.archive.nested(entry)?;
        let members = members.inspect(|entry| entry.iter().for_each(|entry| times.note(&entry.member)));
        moved += extract_tree(&mut plan.prepared.archive.source()?, members, data, options.clone_policy, progress)?;
        repairs.add_tree(times);
    }
    Ok(moved)
}
