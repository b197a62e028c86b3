//! `checkpoint`: freezes a container of podman and makes a file of it.
//!
//! ```text
//! plan ─ writeback ─ passes ─ podman dumps ─┬─ frozen: clone the files ─┬─ images ─ podman exports ─ manifest ─ deliver ─ name
//!                                           └── anything wrong: undo ───┘
//! ```
//!
//! | step | modules |
//! |---|---|
//! | decide | `options`, `plan`, `destination`; `precheck`: whether a restore would bring it back; `estimate`: how long it will be frozen; `space` |
//! | before the freeze | `writeback`; `passes` over what cannot be cloned; `previous`: whether the kernel can tell which memory changed |
//! | podman dumps | `run` drives `dump`; `freeze` measures how long the container stands still |
//! | frozen | `capture`, `volume` |
//! | afterwards | `images` of CRIU, `export` of podman, then `deliver`, to a `stream`, a `sink` or as a `loan` |
//! | not running | `at_rest` takes the files alone, for a save |
//! | failed | `failure` has the container run again; `rescue` keeps an archive that nothing else replaces |

mod at_rest;
mod capture;
mod deliver;
mod destination;
mod dump;
mod error;
mod estimate;
mod export;
mod failure;
mod freeze;
mod images;
mod init;
mod loan;
mod options;
mod passes;
mod plan;
mod precheck;
mod previous;
mod rescue;
mod run;
mod sink;
mod space;
mod stream;
mod volume;
mod writeback;

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aligntar::Transferred;
use tracing::info;

use failure::after_failure;

use crate::archive::CHECKPOINT;
pub use crate::archive::compression::Compression;
use crate::engine::{EngineError, Podman, bundle, storage, versions};
use crate::progress::{Phase, Progress};
use crate::recovery::recover;
pub use at_rest::AtRestError;
pub(crate) use at_rest::{Remains, checkpoint_at_rest};
pub use deliver::DeliverError;
pub use error::{AfterDumpState, CheckpointError, DumpError};
use estimate::Estimate;
pub use images::ImagesError;
pub use loan::Loan;
pub use options::{CheckpointOptions, Export};
use plan::CheckpointPlan;
pub use plan::check_cgroup;
pub use previous::check_memory_tracking;
use rescue::rescue;
use run::Run;
pub use sink::Sink;

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
    /// How long that was expected to take.
    pub expected_capture: Duration,
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
/// An archive in a file appears under its name when it is whole and synced, or not at all.
pub fn checkpoint(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointReport, CheckpointError> {
    make(options, progress).map(|(report, _archive)| report)
}

/// As [`checkpoint`], and gives the archive, uncompressed and open: the file itself, or the one beside the container's
/// storage in which it was made for a place that is far from there.
///
/// # Errors
/// As [`checkpoint`]; [`CheckpointError::Reopen`] if the archive is in its place, but cannot be held on to.
pub fn checkpoint_open(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<(CheckpointReport, File), CheckpointError> {
    let (report, archive) = make(options, progress)?;
    Ok((report, archive.map_err(CheckpointError::Reopen)?))
}

fn make(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<(CheckpointReport, io::Result<File>), CheckpointError> {
    let started = Instant::now();
    let podman = podman_at_rest(options, progress)?;
    let plan = plan(podman, options, progress)?;
    let (plan, estimate) = estimate(plan, options)?;
    if options.save.is_some() {
        space::check(&plan, &estimate, progress)?;
    }
    let versions = versions::ask(plan.engine.program(), &plan.facts.oci_runtime, options.interrupt.as_ref());
    let mut versions = versions.map_err(EngineError::from)?;
    versions.host = versions::of_host(plan.engine.program(), || plan.engine.host_optional());
    let mut run = Run::new(&plan, options, versions, estimate, progress);
    let (podman_stats, written) = match run.dump_and_deliver() {
        Ok(done) => done,
        Err(source) => {
            let (error, complete) = (run.failed(source), run.complete);
            let whole = plan.draft().try_clone();
            return Err(if complete { rescue(error, plan.stage, whole, &plan.rescue, progress) } else { error });
        }
    };
    let id = plan.facts.id.clone();
    let (frozen, capture, capture_moved) = (run.observed_frozen, run.capture, run.capture_moved);
    let expected_capture = run.estimate.time;
    let whole = plan.draft().try_clone();
    if let Err(source) = plan.output.publish() {
        let error = after_failure(&*plan.engine, (&plan.facts.id, &plan.init), options, true, source.into());
        return Err(rescue(error, plan.stage, whole, &plan.rescue, progress));
    }
    if options.save.is_some() && options.leave_running {
        drop_images(bundle(&plan.facts), progress);
    }
    let report = CheckpointReport {
        id,
        elapsed: started.elapsed(),
        frozen: frozen_time(&podman_stats),
        observed_frozen: frozen,
        capture,
        expected_capture,
        capture_moved,
        members: written.members,
        moved: written.moved,
        podman_stats,
    };
    log(&report);
    Ok((report, whole))
}

fn log(report: &CheckpointReport) {
    let microseconds = |time: Option<Duration>| time.map(|time| time.as_micros() as u64);
    info!(
        container = report.id,
        elapsed_us = microseconds(Some(report.elapsed)),
        frozen_us = microseconds(report.observed_frozen.or(report.frozen)),
        capture_us = microseconds(Some(report.capture)),
        members = report.members,
        cloned_bytes = report.moved.cloned_bytes,
        copied_bytes = report.moved.copied_bytes,
        clone_calls = report.moved.clone_calls,
        "the checkpoint is made"
    );
}

/// Removes the images that podman leaves in the bundle of a container that runs on. They take as much space as its memory.
/// Their blocks would also be in use twice where the save shares its own with the one before, and BTRFS would keep them all
/// for the few that differ.
fn drop_images(bundle: &Path, progress: &mut dyn Progress) {
    if let Err(error) = images::clear(&bundle.join(CHECKPOINT)) {
        progress.warning(&format!("the dump takes space that the save does not need: {error}"));
    }
}

/// podman, once what killed runs left is put right.
pub(crate) fn podman_at_rest(
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<Podman, CheckpointError> {
    let interrupt = options.interrupt.as_ref();
    let podman = Podman::for_root()?.until(interrupt);
    if !options.force {
        podman.check_tried()?;
    }
    if options.with_previous {
        check_memory_tracking(interrupt)?;
    }
    recover(&podman, &storage::of_host(&podman)?, interrupt, progress)?;
    Ok(podman)
}

/// Decided while dirty pages go to the disk.
fn plan(
    podman: Podman,
    options: &CheckpointOptions,
    progress: &mut dyn Progress,
) -> Result<CheckpointPlan, CheckpointError> {
    progress.phase(Phase::Writeback);
    let writeback = writeback::begin();
    let plan = CheckpointPlan::make(podman, options, progress)?;
    writeback.finish(plan.folders())?;
    Ok(plan)
}

/// Measured when nothing else is being written. What is counted may change the plan.
fn estimate(plan: CheckpointPlan, options: &CheckpointOptions) -> Result<(CheckpointPlan, Estimate), CheckpointError> {
    let make =
        |plan: &_| Estimate::make(plan, options.ignore_rootfs).map_err(|source| CheckpointError::Estimate { source });
    let estimate = make(&plan)?;
    if !plan.can_go_straight(options) || space::is_enough_to_stage(&plan, &estimate)? {
        return Ok((plan, estimate));
    }
    let plan = plan.straight(options)?;
    let estimate = make(&plan)?;
    Ok((plan, estimate))
}

/// CRIU's `frozen_time`, in microseconds, of podman's `--print-stats`.
fn frozen_time(podman_stats: &serde_json::Value) -> Option<Duration> {
    let frozen = podman_stats.pointer("/container_statistics/0/criu_statistics/frozen_time")?;
    frozen.as_u64().map(Duration::from_micros)
}
