//! `ckpt rollback`.

use anyhow::Result;
use ckpt_core::restore::Lazy;
use ckpt_core::rollback::{RollbackOptions, rollback};
use clap::Args;

use crate::arguments::{LazyArgument, ReflinkArgument, StoreArgument};
use crate::messages::{Verbosity, print_line};
use crate::podman;
use crate::progress::ProgressLine;
use crate::signals;

/// Take a container back to a save, under its name and ID
///
/// Its present state is saved first, so that a second rollback undoes the first. If the save cannot be restored, the
/// container is brought back as it was. Named volumes go back as well. A container that does not run is saved without
/// memory; going back to such a save makes it with its files of then, and does not start it.
///
/// Prints the container's ID.
#[derive(Args)]
#[command(after_help = podman::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// The container; one that was removed by its name
    container: String,
    /// The save: web~2 or ~2 (the second newest), the beginning of an ID, or a tag; by default the newest
    #[arg(value_name = "SAVE")]
    to: Option<String>,
    /// Do not save the present state: it is lost
    #[arg(long)]
    discard: bool,
    /// Leave named volumes as they are
    #[arg(long)]
    ignore_volumes: bool,
    /// The pod of a container that was removed; one that is there stays in its own
    #[arg(long)]
    pod: Option<String>,
    /// Run the container before its memory is there; see `ckpt restore --help`
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, default_missing_value = "auto")]
    lazy: Option<LazyArgument>,
    /// Restore an archive that is neither root's nor yours, or that others may write
    #[arg(long)]
    trust: bool,
    /// Take the image of the recorded name, also if its ID is another one
    #[arg(long)]
    allow_image_mismatch: bool,
    /// Go on with a version of podman that was never tried
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let options = RollbackOptions {
        container: arguments.container.clone(),
        to: arguments.to.clone(),
        store: arguments.store.folder().map(Into::into),
        discard: arguments.discard,
        ignore_volumes: arguments.ignore_volumes,
        pod: arguments.pod.clone(),
        trust: arguments.trust,
        allow_image_mismatch: arguments.allow_image_mismatch,
        force: arguments.force,
        lazy: arguments.lazy.map_or(Lazy::No, Lazy::from),
        clone_policy: arguments.reflink.policy(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut progress = ProgressLine::new("rollback").with_space(verbosity);
    let done = rollback(&options, &mut progress);
    progress.finish();
    let report = done?;
    let before = report.before.map(|before| format!(", what it was before is {}", before.id)).unwrap_or_default();
    verbosity.note(format_args!(
        "{}: {:.3} s, back at {} of {:.0}{before}",
        report.to.container,
        report.elapsed.as_secs_f64(),
        report.to.short_id(),
        report.to.created
    ));
    print_line(&report.id)
}
