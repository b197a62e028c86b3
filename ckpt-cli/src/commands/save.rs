//! `ckpt save`.

use anyhow::Result;
use ckpt_core::save::{SaveOptions, save};
use ckpt_core::store::Tag;
use clap::Args;
use indicatif::HumanBytes;

use crate::arguments::{ReflinkArgument, StoreArgument};
use crate::messages::{Verbosity, print_line};
use crate::podman;
use crate::progress::{ProgressLine, Summary};
use crate::signals;

/// Save a container into its history; one that runs, runs on
///
/// Each save is an archive of its own, in podman's format: removing one breaks no other. What it has in common with the one
/// before it, in files and in memory, is on the disk once. `ckpt history` lists them, `ckpt rollback` goes back to one.
///
/// Of a container that does not run, the files are saved, and there is no memory: going back to that does not start it.
///
/// Prints the ID of the save.
#[derive(Args)]
#[command(after_help = podman::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// The container
    container: String,
    /// A short name to find it by, of letters, digits, _, . and -; may be repeated
    #[arg(short, long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// Anything that is good to know later
    #[arg(short = 'm', long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// Save established TCP connections as well
    #[arg(long)]
    tcp_established: bool,
    /// Save file locks as well
    #[arg(long)]
    file_locks: bool,
    /// Go on with a version of podman that was never tried
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let options = SaveOptions {
        container: arguments.container.clone(),
        store: arguments.store.folder().map(Into::into),
        tags: arguments.tags.clone(),
        note: arguments.note.clone(),
        tcp_established: arguments.tcp_established,
        file_locks: arguments.file_locks,
        force: arguments.force,
        clone_policy: arguments.reflink.policy(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut progress = ProgressLine::new("save").with_space(verbosity);
    let saved = save(&options, &mut progress);
    progress.finish();
    let report = saved?;
    let frozen = report.checkpoint.observed_frozen.or(report.checkpoint.frozen);
    Summary { elapsed: report.checkpoint.elapsed, frozen, moved: report.checkpoint.moved }
        .print(&report.container, verbosity);
    if let Some(shared) = report.shared {
        let bytes = HumanBytes(shared.shared_bytes + shared.already_shared_bytes);
        verbosity.note(format_args!("{}: {bytes} shared with the save before it", report.container));
    }
    print_line(&report.id)
}
