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
mod mem;
mod pack;
mod prune;
#[cfg(feature = "images")]
mod pull;
#[cfg(feature = "images")]
mod push;
mod restore;
mod rm;
mod rollback;
mod rootfs;
mod save;
#[cfg(feature = "serve")]
mod serve;
mod unpack;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use self::diff::MemoryDifferenceJson;
pub(crate) use self::history::SaveJson;
pub(crate) use self::layers::LayersJson;
pub(crate) use self::ls::MemberJson;
pub(crate) use self::mem::{MatchJson, ProcessJson};
pub(crate) use self::prune::PruneJson;
pub(crate) use self::verify::VerifyJson;
use crate::files::Files;
#[cfg(feature = "serve")]
use crate::lending::Lending;
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
    #[cfg(feature = "images")]
    Push(push::Arguments),
    #[cfg(feature = "images")]
    Pull(pull::Arguments),
    Inspect(inspect::Arguments),
    Mem(mem::Arguments),
    Diff(diff::Arguments),
    Layers(layers::Arguments),
    Rootfs(rootfs::Arguments),
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
    pub(crate) fn run(&self, verbosity: Verbosity, files: &Files) -> Result<ExitCode> {
        let done = |done: Result<()>| done.map(|()| ExitCode::SUCCESS);
        match self {
            Command::Checkpoint(arguments) => checkpoint::run(arguments, verbosity, files),
            Command::Restore(arguments) => restore::run(arguments, verbosity, files),
            Command::Fork(arguments) => fork::run(arguments, verbosity, files),
            Command::Save(arguments) => done(save::run(arguments, verbosity)),
            Command::History(arguments) => done(history::run(arguments)),
            Command::Rollback(arguments) => done(rollback::run(arguments, verbosity)),
            Command::Rm(arguments) => rm::run(arguments),
            Command::Prune(arguments) => prune::run(arguments, verbosity),
            #[cfg(feature = "images")]
            Command::Push(arguments) => done(push::run(arguments, verbosity)),
            #[cfg(feature = "images")]
            Command::Pull(arguments) => done(pull::run(arguments, verbosity)),
            Command::Inspect(arguments) => done(inspect::run(arguments, files)),
            Command::Mem(arguments) => Ok(mem::run(arguments, files)),
            Command::Diff(arguments) => done(diff::run(arguments)),
            Command::Layers(arguments) => done(layers::run(arguments)),
            Command::Rootfs(arguments) => done(rootfs::run(arguments, verbosity)),
            Command::Lazy(arguments) => done(lazy::run(arguments)),
            Command::Dedup(arguments) => done(dedup::run(arguments)),
            #[cfg(feature = "serve")]
            Command::Serve(arguments) => done(serve::run(arguments)),
            Command::Doctor(arguments) => doctor::run(arguments),
            Command::Pack(arguments) => pack::run(arguments, verbosity),
            Command::Unpack(arguments) => done(unpack::run(arguments, verbosity)),
            Command::Align(arguments) => done(align::run(arguments, verbosity)),
            Command::Ls(arguments) => done(ls::run(arguments)),
            Command::Verify(arguments) => verify::run(arguments),
        }
    }
    /// Where it is done, if there is a service.
    #[cfg(feature = "serve")]
    pub(crate) fn place(&self) -> Result<Place> {
        match self {
            Command::Checkpoint(arguments) => arguments.lending().map(Place::Service),
            Command::Restore(arguments) => arguments.lending().map(Place::Service),
            Command::Fork(arguments) => arguments.lending().map(Place::Service),
            Command::Inspect(arguments) if !arguments.needs_root() => Ok(Place::Here),
            Command::Save(_)
            | Command::History(_)
            | Command::Rollback(_)
            | Command::Rm(_)
            | Command::Prune(_)
            | Command::Lazy(_)
            | Command::Inspect(_) => Ok(Place::Service(Lending::default())),
            _ => Ok(Place::OnlyHere),
        }
    }
}

/// Where a command is done, if there is a service.
#[cfg(feature = "serve")]
pub(crate) enum Place {
    /// There, with these files.
    Service(Lending),
    /// Here: it needs no more rights than the user has.
    Here,
    /// Here, and a service that is named nevertheless would not be asked.
    OnlyHere,
}
