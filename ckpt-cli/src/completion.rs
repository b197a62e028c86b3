//! What Tab completes: commands and options as clap knows them, and the names of containers that are there now.
//!
//! The shell's own function runs this program at each Tab, with `CKPT_COMPLETE` set to the shell's name. Without words to
//! complete, the program prints that function: `source <(CKPT_COMPLETE=bash ckpt)`.

use std::ffi::OsStr;

use ckpt_core::containers::recorded_names;
use clap::Command;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};

/// Not clap's own `COMPLETE`, which somebody may have set for something else.
const VARIABLE: &str = "CKPT_COMPLETE";

/// What a word may be.
#[derive(Clone, Copy)]
enum Word {
    Container,
    ContainerOrPath,
}

/// Arguments that name a container: the words of the command, and what its arguments call it.
const ARGUMENTS: [(&[&str], &str, Word); 16] = [
    (&["checkpoint"], "containers", Word::Container),
    (&["restore"], "containers", Word::Container),
    (&["fork"], "container", Word::Container),
    (&["save"], "container", Word::Container),
    (&["history"], "container", Word::Container),
    (&["rollback"], "container", Word::Container),
    (&["prune"], "container", Word::Container),
    (&["lazy"], "container", Word::Container),
    (&["inspect"], "archive", Word::ContainerOrPath),
    (&["diff"], "name_or_path", Word::ContainerOrPath),
    (&["diff"], "newer", Word::ContainerOrPath),
    (&["layers"], "name_or_path", Word::ContainerOrPath),
    (&["rootfs", "save"], "target", Word::ContainerOrPath),
    (&["rootfs", "apply"], "target", Word::Container),
    (&["rootfs", "diff"], "name_or_path", Word::ContainerOrPath),
    (&["rootfs", "diff"], "newer", Word::ContainerOrPath),
];

/// Answers a shell and ends, if one asks.
pub(crate) fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(|| with_names(command())).var(VARIABLE).complete();
}

fn with_names(command: Command) -> Command {
    ARGUMENTS.iter().fold(command, |command, (words, argument, word)| with_word(command, words, argument, *word))
}

fn with_word(command: Command, words: &[&str], argument: &str, word: Word) -> Command {
    match words.split_first() {
        Some((first, rest)) => command.mut_subcommand(first, |subcommand| with_word(subcommand, rest, argument, word)),
        // Not `mut_arg`, which would make it the last positional one.
        None => command.mut_args(|known| match known.get_id() == argument {
            true => known.add(ArgValueCompleter::new(word)),
            false => known,
        }),
    }
}

impl ValueCompleter for Word {
    fn complete(&self, begun: &OsStr) -> Vec<CompletionCandidate> {
        let mut candidates = names(begun);
        if matches!(self, Word::ContainerOrPath) {
            candidates.extend(PathCompleter::any().complete(begun));
        }
        candidates
    }
}

/// None where the storage cannot be read: a shell is not the place for errors.
fn names(begun: &OsStr) -> Vec<CompletionCandidate> {
    let names = recorded_names().unwrap_or_default();
    let begins = |name: &String| begun.to_str().is_some_and(|begun| name.starts_with(begun));
    names.into_iter().filter(|name| is_plain(name) && begins(name)).map(CompletionCandidate::new).collect()
}

/// What podman allows in a name. Anything else would be the shell's to interpret.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn every_argument_of_the_table_is_one() {
        for (words, argument, _) in ARGUMENTS {
            let command = CommandLine::command();
            let of = words.iter().fold(&command, |command, word| command.find_subcommand(word).expect(word));
            assert!(of.get_arguments().any(|known| known.get_id() == argument), "{words:?} has no {argument}");
        }
        with_names(CommandLine::command()).debug_assert();
    }

    #[test]
    fn a_name_that_a_shell_would_interpret_is_no_candidate() {
        assert!(is_plain("web-1.x_2"));
        for name in ["a b", "$(reboot)", "a;b", "a\x1b[2J", "ä"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
