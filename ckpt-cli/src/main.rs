//! The command `ckpt`: checkpoints podman containers into files and restores them, by reflink.
//!
//! ```text
//! main            the command line
//! served          the same for a client of `ckpt serve`; remote: has a service do it, with what is lent by lending
//! completion      what Tab completes; manual: pages of the manual, of all commands
//! commands        one file per subcommand
//! arguments archive files podman statistics     what several of them have
//! progress messages table color names noted headings   the terminal
//! json schemas logging spool signals            other programs and the system
//! ```
#![forbid(unsafe_code)]

mod archive;
mod arguments;
mod arrived;
mod color;
mod command_line;
mod commands;
mod completion;
mod copies;
mod files;
mod headings;
mod json;
#[cfg(feature = "serve")]
mod lending;
mod logging;
mod manual;
mod messages;
mod names;
mod noted;
mod podman;
mod progress;
#[cfg(feature = "serve")]
mod remote;
mod schemas;
#[cfg(feature = "serve")]
mod served;
mod signals;
mod spool;
mod statistics;
mod table;

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use command_line::CommandLine;
use files::Files;

fn main() -> ExitCode {
    // CRIU's hook is this program as well, under other names.
    if let Some(status) = ckpt_core::run_callback() {
        return status.into();
    }
    if let Err(error) = signals::outlive_file_size_limit() {
        return exit_status(Err(error));
    }
    #[cfg(feature = "serve")]
    if served::is_wanted() {
        return exit_status(served::run());
    }
    completion::answer(CommandLine::command);
    color::apply_to_parser(env::args_os());
    exit_status(run(&CommandLine::of_this_process()))
}

fn exit_status(done: Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        messages::complain(&error);
        ExitCode::FAILURE
    })
}

fn run(line: &CommandLine) -> Result<ExitCode> {
    line.color.apply();
    line.log.apply();
    let Some(command) = line.command_or_pages()? else { return Ok(ExitCode::SUCCESS) };
    #[cfg(feature = "serve")]
    if let Some(status) = remote::run(line, command)? {
        return Ok(status);
    }
    command.run(line.verbosity, &Files::Own)
}
