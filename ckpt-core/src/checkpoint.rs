//! `checkpoint`: freezes a container of podman and makes a file of it.
//!
//! ```text
//! plan ─ writeback ─ podman dumps ─┬─ frozen: clone the files ─┬─ images ─ podman exports ─ manifest ─ deliver ─ name
//!                                  └── anything wrong: undo ───┘
//! ```

mod aside;
mod capture;
mod deliver;
mod dump;
mod error;
mod estimate;
mod freeze;
mod images;
mod images_writeback;
mod plan;
mod run;
mod versions;
mod volume;
mod writeback;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::{ClonePolicy, Transferred};

pub use crate::compression::Compression;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::podman::Podman;
use crate::progress::{Phase, Progress};
pub use deliver::DeliverError;
pub use error::{AfterDumpState, CheckpointError, DumpError};
use estimate::Copy;
pub use images::ImagesError;
use plan::CheckpointPlan;
use run::{Run, after_dump};

/// What to checkpoint, and how; names and meanings are podman's.
#[derive(Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Name or ID of a running container.
    pub container: String,
    /// The archive to make; an older file of that name is replaced at the very end.
    pub export: PathBuf,
    /// Leave the container running.
    pub leave_running: bool,
    /// Compression of the archive.
    pub compress: Compression,
    /// Leave changed files out.
    pub ignore_rootfs: bool,
    /// Leave named volumes out.
    pub ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle.
    pub keep: bool,
    /// Checkpoint established TCP connections.
    pub tcp_established: bool,
    /// Checkpoint file locks.
    pub file_locks: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work: the dump is undone, if CRIU was not told to carry on yet.
    pub interrupt: Option<Interrupt>,
}

impl CheckpointOptions {
    /// The options that podman takes part in.
    fn podman_flags(&self) -> Vec<&'static str> {
        let flags = [
            (self.leave_running, "--leave-running"),
            (self.keep, "--keep"),
            (self.tcp_established, "--tcp-established"),
            (self.file_locks, "--file-locks"),
        ];
        flags.into_iter().filter_map(|(given, flag)| given.then_some(flag)).collect()
    }

    /// The options a restore in place needs as well.
    fn restore_flags(&self) -> Vec<&'static str> {
        let flags = self.podman_flags();
        flags.into_iter().filter(|flag| matches!(*flag, "--tcp-established" | "--file-locks")).collect()
    }

    fn flags(&self) -> Vec<String> {
        let ignored = [(self.ignore_rootfs, "--ignore-rootfs"), (self.ignore_volumes, "--ignore-volumes")];
        let ignored = ignored.into_iter().filter_map(|(given, flag)| given.then_some(flag));
        self.podman_flags().into_iter().chain(ignored).map(str::to_owned).collect()
    }
}

/// What a checkpoint did.
#[derive(Clone, Debug)]
pub struct CheckpointReport {
    /// The container's ID.
    pub id: String,
    /// From the first look to the named archive.
    pub elapsed: Duration,
    /// From all tasks stopped to all running again or gone, as CRIU measured it.
    pub frozen: Option<Duration>,
    /// From the container first seen standing still to the last, looked at every millisecond: CRIU's wait for the tasks
    /// to stop is in it.
    pub observed_frozen: Option<Duration>,
    /// Of that, the time in which files were taken.
    pub capture: Duration,
    /// How the data moved in that time.
    pub capture_moved: Transferred,
    /// Members, those of nested archives included.
    pub members: u64,
    /// How the data moved into the archive.
    pub moved: Transferred,
    /// podman's `--print-stats`.
    pub podman_stats: serde_json::Value,
}

/// Freezes a container, makes an archive of it, and stops it unless it is to be left running.
///
/// # Errors
/// [`CheckpointError`]; each says whether the container runs.
///
/// # Atomicity
/// The archive appears under its name when it is whole and synced, or not at all.
pub fn checkpoint(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointReport, CheckpointError> {
    let started = Instant::now();
    let podman = Podman::for_root()?;
    progress.phase(Phase::Writeback);
    let writeback = writeback::begin();
    let plan = CheckpointPlan::make(podman, options)?;
    writeback.finish(plan.folders())?;
    // Measured when nothing else is being written.
    let copy = Copy::expected(&plan, options.ignore_rootfs);
    if let Some(copy) = copy.map_err(|source| CheckpointError::Estimate { source })? {
        progress.warning(&copy.to_string());
    }
    let versions = versions::ask(plan.podman.program(), &plan.facts.oci_runtime);
    let mut run = Run::new(&plan, options, versions, progress);
    let (podman_stats, written) = match run.dump_and_deliver() {
        Ok(done) => done,
        Err(source) => {
            let (error, complete) = (run.failed(source), run.complete);
            return Err(if complete { rescue(error, plan.stage) } else { error });
        }
    };
    let id = plan.facts.id.clone();
    let (frozen, capture, capture_moved) = (run.observed_frozen, run.capture, run.capture_moved);
    let published = plan.output.publish();
    published.map_err(|source| after_dump(&plan.podman, &id, options, source.into()))?;
    Ok(CheckpointReport {
        id,
        elapsed: started.elapsed(),
        frozen: frozen_time(&podman_stats),
        observed_frozen: frozen,
        capture,
        capture_moved,
        members: written.members,
        moved: written.moved,
        podman_stats,
    })
}

/// Keeps the whole archive of a container that is stopped for good otherwise (`podman run --rm`).
fn rescue(error: CheckpointError, stage: Option<Output>) -> CheckpointError {
    match (error, stage) {
        (CheckpointError::AfterDump { name, state: AfterDumpState::Stopped { id, why }, source }, Some(stage)) => {
            let path = stage.path().to_owned();
            let state = match stage.publish() {
                Ok(()) => AfterDumpState::Rescued { path, why },
                Err(_) => AfterDumpState::Stopped { id, why },
            };
            CheckpointError::AfterDump { name, state, source }
        }
        (error, _) => error,
    }
}

/// CRIU's `frozen_time`, in microseconds, of podman's `--print-stats`.
fn frozen_time(podman_stats: &serde_json::Value) -> Option<Duration> {
    let frozen = podman_stats.pointer("/container_statistics/0/criu_statistics/frozen_time")?;
    frozen.as_u64().map(Duration::from_micros)
}
