//! Makes an upper directory of an archive of changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aligntar::{ClonePolicy, FileSource, Transferred};
use layerfs::{Layers, MountsError, uses_of};

use super::input;
use super::replacement::{ReplaceError, Replacement};
use crate::archive::ArchiveError;
use crate::progress::{Phase, Progress};
use crate::rootfs::{ExtractError, Form, Scan, ScanError, extract_diff};

/// Why the upper directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Only a part of an overlay is meant.
    #[error("/{} is a part of a root filesystem, and archives are applied to whole ones: name the container", part.display())]
    Part {
        /// Relative to the root.
        part: PathBuf,
    },
    /// The overlay is in use.
    #[error(
        "the upper directory {} is mounted (at {}, as process {pid} sees it), and what is written below a mounted overlay \
         shows in part or not at all: stop the container first, or unmount it",
        upperdir.display(),
        point.display()
    )]
    Mounted {
        /// The directory.
        upperdir: PathBuf,
        /// Where.
        point: PathBuf,
        /// Who sees it.
        pid: u32,
    },
    /// Something is in it.
    #[error(
        "the upper directory {} is not empty: its container has changes of its own, which the archive's would replace. \
         If that is well, say --replace",
        upperdir.display()
    )]
    NotEmpty {
        /// The directory.
        upperdir: PathBuf,
    },
    /// It cannot be looked at.
    #[error("look at the upper directory {}", upperdir.display())]
    Look {
        /// The directory.
        upperdir: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Who has it mounted is not known.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive says nothing that can be done.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// A file could not be made.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The new directory could not take its place.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
}

/// What is applied, and how.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// The archive, which may be compressed.
    pub archive: PathBuf,
    /// Its form; by default the one that its members have.
    pub form: Option<Form>,
    /// Whether changes that the upper directory has may be lost.
    pub replace: bool,
    /// How data moves.
    pub clone_policy: ClonePolicy,
}

/// What was made.
#[derive(Clone, Copy, Debug)]
pub struct ApplyReport {
    /// The archive's form.
    pub form: Form,
    /// How data moved.
    pub moved: Transferred,
}

/// Makes the upper directory of `layers` so that it changes their image as the archive says. Lower directories are only
/// read.
///
/// # Errors
/// [`ApplyError`].
///
/// # Atomicity
/// The new directory takes the place of the old one when it is whole.
pub fn apply(layers: &Layers, options: &ApplyOptions, progress: &mut dyn Progress) -> Result<ApplyReport, ApplyError> {
    if !layers.part.as_os_str().is_empty() {
        return Err(ApplyError::Part { part: layers.part.clone() });
    }
    let upperdir = &layers.upperdir;
    refuse_mounted(upperdir)?;
    if !options.replace {
        refuse_full(upperdir)?;
    }
    progress.phase(Phase::Place);
    let archive = input::open(&options.archive, upperdir.parent().unwrap_or(Path::new("/")))?;
    let scan = Scan::of(&archive, &options.archive, options.form, layers.xattr_ns)?;
    let read_error = |source| ArchiveError::Io { call: "stat", path: options.archive.clone(), source };
    let mut source = FileSource::new(&archive).map_err(read_error)?;
    let replacement = Replacement::of(upperdir)?;
    let new = Layers { upperdir: replacement.path().to_owned(), ..layers.clone() };
    let files = scan.files(&archive, &options.archive)?;
    let moved = extract_diff(&mut source, files, &scan.supplement, &new, options.clone_policy, progress)?;
    // It may have been started meanwhile.
    refuse_mounted(upperdir)?;
    replacement.publish()?;
    Ok(ApplyReport { form: scan.form, moved })
}

fn refuse_mounted(upperdir: &Path) -> Result<(), ApplyError> {
    match uses_of(upperdir)?.into_iter().next() {
        None => Ok(()),
        Some(found) => Err(ApplyError::Mounted { upperdir: upperdir.to_owned(), point: found.point, pid: found.pid }),
    }
}

fn refuse_full(upperdir: &Path) -> Result<(), ApplyError> {
    let look = |source| ApplyError::Look { upperdir: upperdir.to_owned(), source };
    match fs::read_dir(upperdir).map_err(look)?.next() {
        None => Ok(()),
        Some(_) => Err(ApplyError::NotEmpty { upperdir: upperdir.to_owned() }),
    }
}
