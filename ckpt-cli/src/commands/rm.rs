//! `ckpt rm`.

use std::process::ExitCode;

use anyhow::{Context, Error, Result};
use ckpt_core::prune::{PruneError, remove_saves};
use ckpt_core::store::SaveSpec;
use clap::Args;

use crate::arguments::StoreArgument;
use crate::messages::{complain, print_line, with_reasons};
use crate::progress::ProgressLine;
use crate::signals;

/// Remove saves
///
/// No other save is touched by that: each is whole. One that is being read is not removed. Prints the ID of each.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The saves: web~2, web@ID or web@TAG (of several with a tag, the newest)
    #[arg(value_name = "SAVE", required = true, value_parser = spec)]
    saves: Vec<SaveSpec>,
    #[command(flatten)]
    store: StoreArgument,
}

fn spec(text: &str) -> Result<SaveSpec> {
    SaveSpec::parse_optional(text).context("a save is named NAME~N, NAME@ID or NAME@TAG, as `ckpt history` lists them")
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    let mut progress = ProgressLine::new("rm");
    let report = remove_saves(&arguments.saves, arguments.store.folder(), Some(&interrupt), &mut progress)?;
    progress.finish();
    report.removed.iter().try_for_each(|saved| print_line(&saved.id))?;
    Ok(tell(&report.failures))
}

/// Says why saves stay that should be gone; gives the exit status.
pub(super) fn tell(failures: &[PruneError]) -> ExitCode {
    failures.iter().for_each(|failure| complain(&Error::msg(with_reasons(failure))));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
