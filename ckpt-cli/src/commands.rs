//! One file per subcommand.

mod align;
mod checkpoint;
mod diff;
mod doctor;
mod input;
mod inspect;
mod layers;
mod ls;
mod pack;
mod restore;
mod statistics;
mod stock;
mod target;
mod text;
mod unpack;
mod verify;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use aligntar::ClonePolicy;
use clap::{Args, Subcommand, ValueEnum};

use crate::display::Verbosity;

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    Checkpoint(checkpoint::Arguments),
    Restore(restore::Arguments),
    Inspect(inspect::Arguments),
    Diff(diff::Arguments),
    Layers(layers::Arguments),
    Doctor(doctor::Arguments),
    Pack(pack::Arguments),
    Unpack(unpack::Arguments),
    Align(align::Arguments),
    Ls(ls::Arguments),
    Verify(verify::Arguments),
}

impl Command {
    pub(crate) fn run(self, verbosity: Verbosity) -> anyhow::Result<ExitCode> {
        match self {
            Command::Checkpoint(arguments) => return checkpoint::run(&arguments, verbosity),
            Command::Restore(arguments) => return restore::run(&arguments, verbosity),
            Command::Inspect(arguments) => inspect::run(arguments),
            Command::Diff(arguments) => diff::run(arguments),
            Command::Layers(arguments) => layers::run(arguments),
            Command::Doctor(arguments) => return doctor::run(arguments),
            Command::Pack(arguments) => return pack::run(arguments, verbosity),
            Command::Align(arguments) => return align::run(arguments, verbosity),
            Command::Verify(arguments) => return verify::run(arguments),
            Command::Ls(arguments) => ls::run(arguments),
            Command::Unpack(arguments) => unpack::run(arguments, verbosity),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

/// For the help of what talks to podman.
const EXIT_STATUS: &str = "Exit status: 0 if all was done; 1 if something failed (one line on stderr says what, and how \
                           things stand); 2 for a wrong command line; 130 after a second Ctrl-C; where podman itself did \
                           it, podman's, which is 125 for most failures.";

/// The way out where this program can do nothing.
const HINT: &str = "--fallback lets podman itself do it";

/// How a report is printed.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// Where a compressed archive is unpacked: on a disk, for /tmp may be memory.
fn spool_folder() -> PathBuf {
    env::var_os("TMPDIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// Whether files may be copied where they cannot be cloned.
#[derive(Args)]
struct CloneArgument {
    /// Clone files where the file system can, always (or fail), or never
    #[arg(long = "reflink", value_enum, default_value_t = Reflink::Auto, value_name = "WHEN")]
    reflink: Reflink,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reflink {
    Auto,
    Always,
    Never,
}

impl CloneArgument {
    fn policy(&self) -> ClonePolicy {
        match self.reflink {
            Reflink::Auto => ClonePolicy::IfPossible,
            Reflink::Always => ClonePolicy::Required,
            Reflink::Never => ClonePolicy::Never,
        }
    }
}
