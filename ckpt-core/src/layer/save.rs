//! Takes what a container changed into an archive.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aligntar::{ClonePolicy, Entry, ReadError, Reader, Timestamp, WriteError, WriteOptions, Writer};
use jiff::Timestamp as Now;
use layerfs::{Layers, MountsError, uses_of};

use crate::archive::manifest::{FORMAT_VERSION, Manifest};
use crate::archive::own_member::file;
use crate::archive::{MANIFEST, Oversize, ROOTFS_DIFF, limits};
use crate::host::interrupt::Interrupt;
use crate::host::standstill::{Standstill, StandstillError};
use crate::host::waiting::Waiting;
use crate::progress::{Phase, Progress};
use crate::rootfs::{CaptureError, Form, Marks, append_flat, append_in_podmans_form};

/// Why the changes were not taken. The container is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Only a part of an overlay is meant.
    #[error("/{} is a part of a root filesystem, and only whole ones are saved: name the container", part.display())]
    Part {
        /// Relative to the root.
        part: PathBuf,
    },
    /// A file could not be taken.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Nobody could read it.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// Who has the overlay mounted is not known.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// The container cannot stand still.
    #[error(transparent)]
    Standstill(#[from] StandstillError),
    /// The file beside the container's files, in which they are cloned first, cannot be used.
    #[error("{call} {}", path.display())]
    Stage {
        /// What was tried.
        call: &'static str,
        /// The folder.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It does not read as it was written.
    #[error("read what was taken")]
    Reread(#[source] ReadError),
}

/// How the changes are taken.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    /// The archive's form.
    pub form: Form,
    /// Whether the container stands still meanwhile, so that all is of one moment.
    pub freeze: bool,
    /// Where the archive goes.
    pub place: Place,
    /// How data moves that goes by a file beside the container's.
    pub clone_policy: ClonePolicy,
    /// Ends waits.
    pub interrupt: Option<Interrupt>,
}

/// Where the archive goes. What cannot be made of clones there is made beside the container's files first, if that lets a
/// frozen container go sooner, or if the form asks for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To a file on the file system of the upper directory.
    Beside,
    /// To a file elsewhere.
    Elsewhere,
    /// To a pipe, or a compressor.
    Stream,
}

/// What was taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveReport {
    /// How long the container stood still; none if it did not, or does not run.
    pub frozen: Option<Duration>,
    /// Files that are immutable, append-only or nodump (chattr(1)), which the archive does not say.
    pub with_flags: usize,
}

/// Appends what `layers` change of their image to `writer`.
///
/// A container that runs may change files meanwhile, unless it is frozen; one that changes while it is taken is an error.
///
/// # Errors
/// [`SaveError`].
pub fn save(
    layers: &Layers,
    options: &SaveOptions,
    writer: &mut Writer<'_>,
    progress: &mut dyn Progress,
) -> Result<SaveReport, SaveError> {
    if !layers.part.as_os_str().is_empty() {
        return Err(SaveError::Part { part: layers.part.clone() });
    }
    let save = Save { layers, options };
    let is_staged = match options.place {
        Place::Beside => false,
        Place::Elsewhere => options.freeze,
        // An archive in an archive gets its size at the end.
        Place::Stream => options.freeze || options.form == Form::Podman,
    };
    if !is_staged {
        return save.take(writer, progress);
    }
    let stage = save.stage()?;
    let stage_options = WriteOptions { clone_policy: options.clone_policy, ..WriteOptions::default() };
    let mut staged = Writer::new(&stage, stage_options)?;
    let report = save.take(&mut staged, progress)?;
    staged.finish()?;
    progress.phase(Phase::Deliver);
    save.append_staged(&stage, writer)?;
    Ok(report)
}

#[derive(Clone, Copy)]
struct Save<'s> {
    layers: &'s Layers,
    options: &'s SaveOptions,
}

impl Save<'_> {
    fn take(self, writer: &mut Writer<'_>, progress: &mut dyn Progress) -> Result<SaveReport, SaveError> {
        if self.options.freeze {
            return self.take_frozen(writer, progress);
        }
        progress.phase(Phase::Capture);
        Ok(SaveReport { frozen: None, with_flags: self.append(writer, progress)? })
    }

    fn take_frozen(self, writer: &mut Writer<'_>, progress: &mut dyn Progress) -> Result<SaveReport, SaveError> {
        progress.phase(Phase::Writeback);
        // Otherwise the clone of a file would write out its dirty pages, with the container frozen.
        let opened = File::open(&self.layers.upperdir).map_err(self.staging("open"))?;
        rustix::fs::syncfs(&opened).map_err(|errno| self.staging("sync")(errno.into()))?;
        let roots = uses_of(&self.layers.upperdir)?.into_iter().filter(|found| found.point == Path::new("/"));
        let namespaces: BTreeSet<u64> = roots.map(|found| found.namespace).collect();
        let standstill = Standstill::of(&namespaces, &mut Waiting::new(self.options.interrupt.as_ref(), progress))?;
        progress.phase(Phase::Capture);
        let with_flags = self.append(writer, progress)?;
        Ok(SaveReport { frozen: standstill.map(Standstill::end), with_flags })
    }

    /// Gives how many files have flags.
    fn append(self, writer: &mut Writer<'_>, progress: &mut dyn Progress) -> Result<usize, SaveError> {
        Ok(match self.options.form {
            Form::Oci => append_flat(self.layers, Marks::Oci, writer, progress)?,
            Form::Overlay => append_flat(self.layers, Marks::Overlay, writer, progress)?,
            Form::Podman => self.append_podmans(writer, progress)?,
        })
    }

    fn append_podmans(self, writer: &mut Writer<'_>, progress: &mut dyn Progress) -> Result<usize, SaveError> {
        let now = Now::now();
        let time = Timestamp { secs: now.as_second(), nanos: 0 };
        let taken = append_in_podmans_form(self.layers, time, writer, progress)?;
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            tool: format!("ckpt {}", env!("CARGO_PKG_VERSION")),
            created: now.to_string(),
            rootfs: taken.for_manifest,
            ..Manifest::default()
        };
        let json = serde_json::to_vec_pretty(&manifest).expect("a manifest is JSON");
        limits::json(MANIFEST, &json)?;
        writer.append_bytes(&file(MANIFEST, time, json.len()), &json)?;
        Ok(taken.with_flags)
    }

    /// A file without a name on the file system of the upper directory, which stays out of that.
    fn stage(self) -> Result<File, SaveError> {
        let folder = self.layers.upperdir.parent().unwrap_or(&self.layers.upperdir);
        tempfile::tempfile_in(folder).map_err(self.staging("create a file beside"))
    }

    fn append_staged(self, stage: &File, writer: &mut Writer<'_>) -> Result<(), SaveError> {
        for entry in Reader::open(stage).map_err(SaveError::Reread)? {
            let entry = entry.map_err(SaveError::Reread)?;
            if self.is_nested(&entry) {
                // Member by member, so that each lies on blocks of the new archive.
                writer.append_nested(&entry.member, |writer| append_nested(stage, &entry, writer))?;
            } else {
                writer.append_entry(&entry, stage)?;
            }
        }
        Ok(())
    }

    /// In a stream nothing lies on blocks.
    fn is_nested(self, entry: &Entry) -> bool {
        let SaveOptions { form, place, .. } = self.options;
        *form == Form::Podman && *place != Place::Stream && entry.member.path == ROOTFS_DIFF.as_bytes()
    }

    fn staging(self, call: &'static str) -> impl FnOnce(io::Error) -> SaveError {
        let path = self.layers.upperdir.clone();
        move |source| SaveError::Stage { call, path, source }
    }
}

fn append_nested(stage: &File, outer: &Entry, writer: &mut Writer<'_>) -> Result<(), SaveError> {
    for entry in Reader::open_nested(stage, outer).map_err(SaveError::Reread)? {
        writer.append_entry(&entry.map_err(SaveError::Reread)?, stage)?;
    }
    Ok(())
}
