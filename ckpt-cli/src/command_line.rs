//! The command line.

use std::env;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

#[cfg(feature = "serve")]
use crate::arguments::SocketArgument;
use crate::color::ColorArgument;
use crate::commands::Command;
#[cfg(feature = "serve")]
use crate::headings::OF_ALL;
use crate::logging::LogArguments;
use crate::manual;
use crate::messages::Verbosity;
use crate::names::printable;
use crate::schemas;

/// Save podman containers to files, and bring them back
///
/// On BTRFS and XFS, files are cloned (reflink): gigabytes take milliseconds and no space. The files are archives in
/// podman's own format.
#[derive(Parser)]
#[command(name = "ckpt", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    task: Option<Task>,
    /// Print the schema of what COMMAND prints as JSON; without COMMAND, which commands have one
    #[arg(long, num_args = 0.., allow_hyphen_values = true, exclusive = true, value_name = "COMMAND")]
    json_schema: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) verbosity: Verbosity,
    #[command(flatten)]
    pub(crate) color: ColorArgument,
    #[command(flatten)]
    pub(crate) log: LogArguments,
    /// Have the service at this socket do it (see `ckpt serve`); files are still this user's. By default, what the
    /// environment variable CKPT_HOST says
    #[cfg(feature = "serve")]
    #[arg(long, global = true, help_heading = OF_ALL, value_name = "unix:///PATH")]
    pub(crate) url: Option<SocketArgument>,
}

/// What follows `ckpt`.
#[derive(Subcommand)]
enum Task {
    #[command(flatten)]
    Command(Box<Command>),
    Manual(manual::Arguments),
}

impl CommandLine {
    /// Ends the process where the line is wrong. What clap then says quotes arguments, which get no escape sequence past it.
    pub(crate) fn of_this_process() -> Self {
        CommandLine::try_parse().unwrap_or_else(|error| {
            let shown = env::args_os().map(|argument| printable(argument.as_encoded_bytes()));
            CommandLine::try_parse_from(shown).err().unwrap_or(error).exit()
        })
    }

    /// The command, unless a schema or the manual is wanted: that is written then.
    ///
    /// # Errors
    /// Of clap, where there is none of them; or if the schema is not there, or what is wanted cannot be written.
    pub(crate) fn command_or_pages(&self) -> Result<Option<&Command>> {
        match (&self.task, &self.json_schema) {
            (Some(Task::Command(command)), _) => Ok(Some(command)),
            (Some(Task::Manual(arguments)), _) => manual::run(CommandLine::command(), arguments).map(|()| None),
            (None, Some(words)) => schemas::print(words).map(|()| None),
            (None, None) => {
                let missing = "a command is needed, as in `ckpt checkpoint`; `ckpt --help` lists them";
                CommandLine::command().error(ErrorKind::MissingSubcommand, missing).exit()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Commands that can print JSON, by their options.
    fn printing(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        let can_be_json = |argument: &clap::Arg| {
            let values = argument.get_possible_values();
            argument.get_id() == "print_stats" || values.iter().any(|value| value.get_name() == "json")
        };
        if command.get_arguments().filter(|argument| !argument.is_global_set()).any(can_be_json) {
            found.insert(name.to_owned());
        }
        for below in command.get_subcommands() {
            printing(below, format!("{name} {}", below.get_name()).trim(), found);
        }
    }

    /// `ckpt X --help` of each command, as a page.
    fn reference(command: &mut clap::Command, name: &str, page: &mut String) {
        let help = command.render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        *page += &format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim());
        for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
            reference(below, &format!("{name} {}", below.get_name()), page);
        }
    }

    /// `cargo xtask book` writes it anew.
    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
        let mut page =
            "# Commands and options\n\nThe help of each command. `cargo xtask book` writes this page.\n".to_owned();
        let mut command = CommandLine::command();
        command.build();
        reference(&mut command, "ckpt", &mut page);
        if env::var_os("CKPT_WRITE_REFERENCE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let is_whole = cfg!(all(feature = "encryption", feature = "images", feature = "serve"));
        let is_current = std::fs::read_to_string(path).is_ok_and(|written| written == page);
        assert!(is_current || !is_whole, "docs/commands.md is old: run `cargo xtask book`");
    }

    #[test]
    fn every_json_has_a_schema() {
        let mut found = BTreeSet::new();
        printing(&CommandLine::command(), "", &mut found);
        let known: BTreeSet<String> = schemas::commands().map(str::to_owned).collect();
        assert!(found.len() > 10, "{found:?}");
        let missing: Vec<_> = found.difference(&known).collect();
        assert!(missing.is_empty(), "these can print JSON and have no line in schemas.rs: {missing:?}");
    }
}
