//! Keeps podman from treating the volumes of a restore as new ones.
//!
//! podman fills an empty volume from the image when it first mounts it. It also gives the volume's root the owner and
//! mode of the directory below. It notes that it has done so, and never does it again. To podman the volumes of a
//! restore are new: a volume that the container had emptied would be full again, and one that it had given away would
//! be root's, at once or at the next start.
//!
//! No command of podman makes that note alone. So podman gets a container that mounts the volumes over folders with one
//! file each, and whose runtime is an empty file. podman fills the volumes, notes it, cannot run the container, and
//! removes it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use layerfs::Layers;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;

use super::plan::RestorePlan;
use crate::archive::{ArchiveError, VOLUMES};
use crate::engine::Engine;
use crate::engine::words::why_it_failed;
use crate::host::child::ChildError;
use crate::progress::Progress;
use crate::recovery::journal::Begun;

/// The one file of each folder.
const SEED: &str = "ckpt-seed";

/// Why podman will take a volume for a new one.
#[derive(Debug, thiserror::Error)]
enum UsedVolumeError {
    #[error("{}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Podman(#[from] ChildError),
    #[error("podman has not filled it: {message}")]
    NotFilled { message: String },
}

/// Has podman note as used those of the empty `volumes` that it would otherwise fill, or give another owner, now or at
/// a later start. A failure is told as a warning.
pub(super) fn mark_used(
    plan: &RestorePlan<'_>,
    begun: &Begun,
    layers: &Layers,
    volumes: &[(String, PathBuf)],
    progress: &mut dyn Progress,
) -> Result<(), ArchiveError> {
    let mut doubtful = Vec::new();
    for volume in volumes {
        if will_be_empty(plan, &volume.0)? || is_over_files(plan, &volume.0, layers) {
            doubtful.push(volume.clone());
        }
    }
    if !doubtful.is_empty()
        && let Err(error) = fill(&*plan.prepared.engine, begun, &doubtful)
    {
        let names = doubtful.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", ");
        progress.warning(&format!(
            "podman may copy files of the image into the volume {names} when that is empty, or give it another owner, as it \
             does with new ones: {error}"
        ));
    }
    Ok(())
}

/// podman would fill it, or give it another owner, at once.
fn will_be_empty(plan: &RestorePlan<'_>, name: &str) -> Result<bool, ArchiveError> {
    let Some(entry) = plan.prepared.archive.entry(&format!("{VOLUMES}{}.tar", plan.origin(name))) else {
        return Ok(false);
    };
    let mut members = plan.prepared.archive.nested(entry)?;
    let first = members.find(|member| member.as_ref().map_or(true, |entry| entry.member.path != b"."));
    Ok(first.transpose()?.is_none())
}

/// podman would fill it when the container has emptied it.
fn is_over_files(plan: &RestorePlan<'_>, name: &str, layers: &Layers) -> bool {
    let volumes = plan.prepared.config.volumes.iter().flatten();
    let mut places = volumes.filter(|volume| volume.name == plan.origin(name)).map(|volume| volume.dest.as_path());
    places.any(|place| {
        let layers = std::iter::once(&layers.upperdir).chain(&layers.lowerdirs);
        // What cannot be looked at in a layer, podman finds another way, and not empty.
        layers.into_iter().any(|layer| has_files(layer, place).unwrap_or(true))
    })
}

fn has_files(layer: &Path, place: &Path) -> Result<bool, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let layer = open(layer, flags, Mode::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let folder = match openat2(&layer, place.strip_prefix("/").unwrap_or(place), flags, Mode::empty(), resolve) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
        folder => folder?,
    };
    let mut entries = Dir::read_from(&folder)?;
    Ok(entries.any(|entry| entry.map_or(true, |entry| !matches!(entry.file_name().to_bytes(), b"." | b".."))))
}

/// Has podman fill `volumes`, which are empty, and empties them again.
fn fill(engine: &dyn Engine, begun: &Begun, volumes: &[(String, PathBuf)]) -> Result<(), UsedVolumeError> {
    let root = begun.session.join("used-volumes");
    for (name, _) in volumes {
        let below = root.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&below).map_err(failed(&below))?;
        File::create_new(below.join(SEED)).map_err(failed(&below))?;
    }
    let no_runtime = root.join(SEED);
    File::create_new(&no_runtime).map_err(failed(&no_runtime))?;
    let names: Vec<&str> = volumes.iter().map(|(name, _)| &name[..]).collect();
    let said = engine.mark_volumes_used(&begun.helper(), &root, &no_runtime, &names, path_of(&begun.session))?;
    for (_, data) in volumes {
        match fs::remove_file(data.join(SEED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(UsedVolumeError::NotFilled { message: why_it_failed(&said) });
            }
            removed => removed.map_err(failed(data))?,
        }
    }
    Ok(())
}

/// A PATH that names the session. If this run is killed, recovery finds podman by it, and waits for its end.
fn path_of(session: &Path) -> OsString {
    [session.join("bin").into_os_string(), env::var_os("PATH").unwrap_or_default()].join(OsStr::new(":"))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> UsedVolumeError + use<> {
    let path = path.to_owned();
    move |source| UsedVolumeError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_with_files_is_told_from_an_empty_one() {
        let layer = tempfile::tempdir().unwrap();
        fs::create_dir_all(layer.path().join("full/empty")).unwrap();
        fs::write(layer.path().join("file"), "").unwrap();
        symlink("full", layer.path().join("link")).unwrap();
        for (place, expected) in [("/full", true), ("/full/empty", false), ("/file", false), ("/none/x", false)] {
            assert_eq!(has_files(layer.path(), Path::new(place)), Ok(expected), "{place}");
        }
        for place in ["/link", "/../x"] {
            assert!(has_files(layer.path(), Path::new(place)).is_err(), "{place}");
        }
    }
}
