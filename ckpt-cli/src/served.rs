//! `ckpt served`: what `ckpt serve` starts for each client of its own protocol. Only that can start it.

use std::env;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail, ensure};
use ckpt_serve::{Outcome, Task};
use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};

use crate::command_line::CommandLine;
use crate::files::{Files, Lent};
use crate::messages::complain;
use crate::noted::noted;

/// What a service does for its clients. The rest works with files of theirs, for which they need no root.
const COMMANDS: [&str; 10] =
    ["checkpoint", "restore", "fork", "save", "history", "rollback", "rm", "prune", "lazy", "inspect"];

/// Paths that only name what a descriptor is. Any other is of this host's, and not for clients.
const NAMES: [&str; 4] = ["export", "import", "keep", "archive"];

pub(crate) fn is_wanted() -> bool {
    let mut arguments = env::args_os().skip(1);
    arguments.next().is_some_and(|word| word == "served") && arguments.next().is_none()
}

pub(crate) fn run() -> Result<ExitCode> {
    let Task { arguments, caller, descriptors, client } = Task::receive()?;
    let matches = match CommandLine::command().try_get_matches_from([&["ckpt".to_owned()], &arguments[..]].concat()) {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            client.done("command", None, failed("the command line is wrong"));
            return Ok(u8::try_from(error.exit_code()).unwrap_or(2).into());
        }
    };
    let Some((operation, of_command)) = matches.subcommand() else {
        complain(&anyhow!("a service does commands, and this is none: run it without --url"));
        client.done("command", None, failed("the command line has no command"));
        return Ok(ExitCode::FAILURE);
    };
    let container = containers(of_command);
    let files = Files::Lent(Lent::new(descriptors, client.clone(), caller));
    let status = work(&matches, &files).unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    });
    client.done(operation, container, outcome());
    Ok(status)
}

fn work(matches: &ArgMatches, files: &Files) -> Result<ExitCode> {
    check(matches)?;
    let line = CommandLine::from_arg_matches(matches)?;
    line.color.apply();
    line.log.apply();
    match line.command_or_pages()? {
        Some(command) => command.run(line.verbosity, files),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Refuses what would have this host's files read or written for a client.
fn check(matches: &ArgMatches) -> Result<()> {
    let (name, given) = matches.subcommand().expect("it was looked at");
    ensure!(COMMANDS.contains(&name), "`ckpt {name}` is not for clients of a service: run it without --url");
    let commands = CommandLine::command();
    let command = commands.find_subcommand(name).expect("it was given");
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        if is_path(argument) && !NAMES.contains(&id) && given.value_source(id) == Some(ValueSource::CommandLine) {
            bail!("--{} names a path of the service's host, which is not for its clients: leave it away", dashed(id));
        }
    }
    Ok(())
}

fn is_path(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == ValueParser::path_buf().type_id()
}

fn dashed(id: &str) -> String {
    id.replace('_', "-")
}

/// Those that the command line names.
fn containers(given: &ArgMatches) -> Option<String> {
    let named = ["containers", "container"].into_iter().find_map(|id| given.try_get_many::<String>(id).ok().flatten());
    named.map(|names| names.map(String::as_str).collect::<Vec<_>>().join(" "))
}

fn outcome() -> Outcome {
    let noted = noted().clone();
    let frozen_seconds = noted.frozen.map(|frozen| frozen.as_secs_f64());
    Outcome { id: noted.id, error: noted.error, frozen_seconds, ..Outcome::default() }.moved(noted.moved)
}

fn failed(why: &str) -> Outcome {
    Outcome { error: Some(why.to_owned()), ..Outcome::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(arguments: &[&str]) -> Result<()> {
        check(&CommandLine::command().try_get_matches_from([&["ckpt"], arguments].concat()).unwrap())
    }

    #[test]
    fn paths_of_this_host_are_not_for_clients() {
        for refused in [
            &["save", "web", "--store", "/tmp/x"][..],
            &["history", "--store=/tmp/x"],
            &["rollback", "web", "--store", "/"],
            &["restore", "-i", "x.tar", "--import-previous", "/x.tar"],
            &["serve", "/run/x.sock"],
            &["pack", "/etc", "-f", "x.tar"],
            &["diff", "web"],
            &["inspect", "web~1", "--html", "/etc/passwd"],
        ] {
            assert!(checked(refused).is_err(), "{refused:?}");
        }
        for allowed in [
            &["checkpoint", "web", "-e", "x.tar"][..],
            &["--url", "unix:///x", "-v", "restore", "-i", "x.tar"],
            &["fork", "web", "-c", "2", "--keep", "x.tar"],
            &["history"],
        ] {
            checked(allowed).unwrap();
        }
    }

    /// A new path among the arguments should be thought of.
    #[test]
    fn all_paths_of_what_is_served_are_known() {
        let commands = CommandLine::command();
        let served = COMMANDS.iter().map(|name| commands.find_subcommand(name).unwrap());
        let paths = served.flat_map(|command| command.get_arguments().filter(|argument| is_path(argument)));
        let mut ids: Vec<&str> = paths.map(|argument| argument.get_id().as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let expected: &[&str] = match cfg!(feature = "encryption") {
            true => {
                &["archive", "export", "html", "identity", "import", "import_previous", "keep", "recipient", "store"]
            }
            false => &["archive", "export", "html", "import", "import_previous", "keep", "store"],
        };
        assert_eq!(ids, expected);
    }
}
