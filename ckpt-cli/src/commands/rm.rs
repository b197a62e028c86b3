//! `ckpt rm`.

use anyhow::{Context, Result};
use ckpt_core::prune::remove_saves;
use ckpt_core::store::SaveSpec;
use clap::Args;

use crate::arguments::StoreArgument;
use crate::messages::print_line;
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

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let interrupt = signals::interrupt()?;
    let mut progress = ProgressLine::new("rm");
    let removed = remove_saves(&arguments.saves, arguments.store.folder(), Some(&interrupt), &mut progress)?;
    progress.finish();
    removed.iter().try_for_each(|saved| print_line(&saved.id))
}
