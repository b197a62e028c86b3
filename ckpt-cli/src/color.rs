//! `--color`, and the variables NO_COLOR, CLICOLOR and CLICOLOR_FORCE.

use std::ffi::OsString;
use std::io::stderr;

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};

use crate::headings::OF_ALL;

/// Whether words are coloured.
#[derive(Clone, Copy, Args)]
pub(crate) struct ColorArgument {
    /// Whether to colour words. `auto` does so on a terminal, unless NO_COLOR or CLICOLOR=0 is set; CLICOLOR_FORCE=1
    /// does it everywhere
    #[arg(long, global = true, help_heading = OF_ALL, value_enum, value_name = "WHEN", default_value_t = When::Auto, overrides_with = "color")]
    color: When,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl ColorArgument {
    /// Has it hold for all that is printed from now on.
    pub(crate) fn apply(self) {
        self.color.choice().write_global();
    }
}

impl When {
    fn choice(self) -> ColorChoice {
        match self {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        }
    }
}

/// Has what these arguments say hold for the parser's own messages, which it prints before anybody sees what it parsed.
pub(crate) fn apply_to_parser(arguments: impl Iterator<Item = OsString>) {
    let words: Vec<String> = arguments.map(|word| word.to_string_lossy().into_owned()).collect();
    let given = words.iter().enumerate().rev().find_map(|(place, word)| match word.strip_prefix("--color")? {
        "" => words.get(place + 1).map(String::as_str),
        value => value.strip_prefix('='),
    });
    if let Some(when) = given.and_then(|word| When::from_str(word, false).ok()) {
        when.choice().write_global();
    }
}

/// Whether words on standard error are coloured.
pub(crate) fn is_on_stderr() -> bool {
    AutoStream::choice(&stderr()) != ColorChoice::Never
}
