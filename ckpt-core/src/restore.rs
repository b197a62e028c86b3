//! `restore`: an archive becomes a running container of podman again.
//!
//! ```text
//! plan ─ podman starts ─ reads config.dump ─ makes the container ─ waits ─ everything is put in place ─ goes on ─ CRIU
//! ```
//!
//! | step | modules |
//! |---|---|
//! | decide | `opening`, `trust`, `trusted_path`; `checks`; `image`; `lazy`: whether the memory comes later; `plan` |
//! | podman imports | `run` drives `podman_import`; `parts` and `devshm` are what podman reads |
//! | meanwhile | `volumes` has podman make them; `used_volumes` keeps podman from filling them |
//! | put in place | `files`, `mount_points`; `own_names` are those of the new container |
//! | CRIU restores | `repairs` puts right what podman and CRIU changed; `later_memory` brings the memory, `late_pages` what CRIU reads itself |

mod announcement;
mod checks;
pub mod copies;
mod devshm;
mod error;
mod files;
mod identity;
mod image;
mod late_pages;
mod later_memory;
mod lazy;
mod mount_points;
mod nearby;
mod opening;
mod options;
mod own_names;
mod parts;
mod plan;
mod planned_volumes;
mod podman_import;
mod prepared;
mod publication;
mod repairs;
mod run;
mod trust;
mod trusted_path;
mod used_volumes;
mod volumes;

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use aligntar::Transferred;
use layerfs::ContainersStorage;
use tracing::info;

#[cfg(feature = "encryption")]
use crate::archive::encryption::Identities;
use crate::archive::{self, CheckpointArchive, ContainerConfig};
use crate::host::interrupt::Interrupt;
use crate::progress::Progress;
pub use error::{FilesError, RestoreError, RunError};
pub use options::{Import, Lazy, RestoreOptions};
use plan::RestorePlan;
pub use planned_volumes::VolumeRule;
pub(crate) use prepared::host_at_rest;
use prepared::{Prepared, Purpose};
pub use repairs::RepairError;
use run::Run;
pub use trust::TrustError;
pub use volumes::VolumeError;

/// The archive as a file that can be opened again and again, for podman itself, which can do nothing with streams: what
/// comes through a pipe is in a nameless file in `spool` then. It was looked at as for a restore: what podman would never
/// have written is refused, and what acts on the host needs [`RestoreOptions::trust`].
///
/// # Errors
/// [`RestoreError`], as [`restore`] where the archive cannot be read or trusted.
pub fn import_file(options: &RestoreOptions, spool: &Path) -> Result<File, RestoreError> {
    let (name, interrupt) = (options.import.name(), options.interrupt.as_ref());
    let file = archive::reopenable(opening::open(options)?, name, spool, interrupt)?;
    let again = Import::Opened { file: file.into(), name: name.to_owned(), has_path: false };
    let looked_at = RestoreOptions { import: again.clone(), ..options.clone() };
    opening::check(&looked_at, spool)?;
    Ok(CheckpointArchive::open_file(&again)?)
}

/// The same restore of an archive that is encrypted, once that is decrypted into a file without a name in podman's storage.
/// Who may have written it is asked before: anybody can encrypt for anybody.
///
/// # Errors
/// [`RestoreError`], [`RestoreError::Encryption`] among them; nothing was made then.
#[cfg(feature = "encryption")]
pub fn decrypt(options: RestoreOptions, identities: &Identities) -> Result<RestoreOptions, RestoreError> {
    let opened = opening::open(&options)?;
    let (_, storage) = prepared::host(options.force, options.interrupt.as_ref())?;
    let (folder, interrupt) = (storage.graph_root(), options.interrupt.as_ref());
    let import = identities.decrypt_opened(&opened, options.import.name(), folder, interrupt)?;
    Ok(RestoreOptions { import, ..options })
}

/// Whether a restore can work with the podman and the storage of this host, without a look at any archive: a stream can
/// be read only once.
///
/// # Errors
/// [`RestoreError`], as [`restore`] before it opens the archive.
pub fn check_host(force: bool, interrupt: Option<&Interrupt>) -> Result<(), RestoreError> {
    prepared::host(force, interrupt).map(drop)
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct RestoreReport {
    /// The container's ID.
    pub id: String,
    /// From the first look at the archive to the running container.
    pub elapsed: Duration,
    /// Of that, the time in which files were put in place.
    pub place: Duration,
    /// How the data moved out of the archive.
    pub moved: Transferred,
    /// podman's `--print-stats`.
    pub podman_stats: serde_json::Value,
}

/// Makes a running container of an archive.
///
/// # Errors
/// [`RestoreError`]; a container or volume that a failed restore had made is removed again.
pub fn restore(options: &RestoreOptions, progress: &mut dyn Progress) -> Result<RestoreReport, RestoreError> {
    restore_after(options, progress, |_, _| Ok(()))
}

/// As [`restore`], with `make_way` in between: called when all was looked at that can be while the name and the ID of
/// the container, or its volumes, are still taken.
pub(crate) fn restore_after<E: From<RestoreError>>(
    options: &RestoreOptions,
    progress: &mut dyn Progress,
    make_way: impl FnOnce(&Contents<'_>, &mut dyn Progress) -> Result<(), E>,
) -> Result<RestoreReport, E> {
    let started = Instant::now();
    checks::check_name(options.name.as_deref())?;
    let prepared = Prepared::look(options, Purpose::One, progress)?;
    checks::check_volume_data(&planned_volumes::as_before(options, &prepared.config), &prepared.archive)?;
    make_way(&Contents { config: &prepared.config, storage: &prepared.storage }, progress)?;
    Ok(make(&prepared, options, started, progress)?)
}

/// What is known of a restore before it makes anything.
pub(crate) struct Contents<'c> {
    /// What the archive says of its container.
    pub(crate) config: &'c ContainerConfig,
    /// Where the container will be.
    pub(crate) storage: &'c ContainersStorage,
}

fn make(
    prepared: &Prepared,
    options: &RestoreOptions,
    started: Instant,
    progress: &mut dyn Progress,
) -> Result<RestoreReport, RestoreError> {
    let volumes = planned_volumes::as_before(options, &prepared.config);
    let plan = RestorePlan::make(prepared, options, volumes, progress)?;
    let mut run = Run::new(&plan, options, progress);
    match run.run() {
        Ok(podman_stats) => {
            run.done();
            let report = RestoreReport {
                id: run.container.take().map(|container| container.id).unwrap_or_default(),
                elapsed: started.elapsed(),
                place: run.place,
                moved: run.moved,
                podman_stats,
            };
            log(&report);
            Ok(report)
        }
        Err(source) => {
            run.undo();
            Err(RestoreError::Run { path: options.import.name().to_owned(), source: Box::new(source) })
        }
    }
}

fn log(report: &RestoreReport) {
    info!(
        container = report.id,
        elapsed_us = report.elapsed.as_micros() as u64,
        place_us = report.place.as_micros() as u64,
        cloned_bytes = report.moved.cloned_bytes,
        copied_bytes = report.moved.copied_bytes,
        clone_calls = report.moved.clone_calls,
        "the container is restored"
    );
}
