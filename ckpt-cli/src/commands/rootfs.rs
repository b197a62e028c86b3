//! `ckpt rootfs`.

mod apply;
mod form;
mod save;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::diff;
use crate::messages::Verbosity;

/// Take the files that a container of any engine changed, as an archive, and put them into another
///
/// A container is that of podman or Docker by its name, one that runs in containerd by its ID, any that runs by the number
/// of one of its processes, and any overlay by the directory where it is mounted.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Save(save::Arguments),
    Apply(apply::Arguments),
    /// List what a container changed: the same as `ckpt diff`
    Diff(diff::Arguments),
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    match &arguments.verb {
        Verb::Save(arguments) => save::run(arguments, verbosity),
        Verb::Apply(arguments) => apply::run(arguments, verbosity),
        Verb::Diff(arguments) => diff::run(arguments),
    }
}
