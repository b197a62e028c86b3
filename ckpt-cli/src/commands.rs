//! One file per subcommand: its arguments, what it does, what it prints.

mod align;
mod checkpoint;
mod dedup;
mod diff;
mod doctor;
mod fork;
mod history;
mod inspect;
mod layers;
mod lazy;
mod ls;
mod pack;
mod prune;
mod restore;
mod rm;
mod rollback;
mod save;
#[cfg(feature = "serve")]
mod serve;
mod unpack;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::messages::Verbosity;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Checkpoint(checkpoint::Arguments),
    Restore(restore::Arguments),
    Fork(fork::Arguments),
    Save(save::Arguments),
    History(history::Arguments),
    Rollback(rollback::Arguments),
    Rm(rm::Arguments),
    Prune(prune::Arguments),
    Inspect(inspect::Arguments),
    Diff(diff::Arguments),
    Layers(layers::Arguments),
    Lazy(lazy::Arguments),
    Dedup(dedup::Arguments),
    #[cfg(feature = "serve")]
    Serve(serve::Arguments),
    Doctor(doctor::Arguments),
    Pack(pack::Arguments),
    Unpack(unpack::Arguments),
    Align(align::Arguments),
    Ls(ls::Arguments),
    Verify(verify::Arguments),
}

impl Command {
    pub(crate) fn run(self, verbosity: Verbosity) -> Result<ExitCode> {
        let done = |done: Result<()>| done.map(|()| ExitCode::SUCCESS);
        match self {
            Command::Checkpoint(arguments) => checkpoint::run(&arguments, verbosity),
            Command::Restore(arguments) => restore::run(&arguments, verbosity),
            Command::Fork(arguments) => fork::run(&arguments, verbosity),
            Command::Save(arguments) => done(save::run(&arguments, verbosity)),
            Command::History(arguments) => done(history::run(&arguments)),
            Command::Rollback(arguments) => done(rollback::run(&arguments, verbosity)),
            Command::Rm(arguments) => done(rm::run(&arguments)),
            Command::Prune(arguments) => done(prune::run(&arguments, verbosity)),
            Command::Inspect(arguments) => done(inspect::run(&arguments)),
            Command::Diff(arguments) => done(diff::run(&arguments)),
            Command::Layers(arguments) => done(layers::run(&arguments)),
            Command::Lazy(arguments) => done(lazy::run(&arguments)),
            Command::Dedup(arguments) => done(dedup::run(&arguments)),
            #[cfg(feature = "serve")]
            Command::Serve(arguments) => done(serve::run(&arguments)),
            Command::Doctor(arguments) => doctor::run(&arguments),
            Command::Pack(arguments) => pack::run(&arguments, verbosity),
            Command::Unpack(arguments) => done(unpack::run(&arguments, verbosity)),
            Command::Align(arguments) => done(align::run(&arguments, verbosity)),
            Command::Ls(arguments) => done(ls::run(&arguments)),
            Command::Verify(arguments) => verify::run(&arguments),
        }
    }
}
