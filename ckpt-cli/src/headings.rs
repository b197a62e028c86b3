//! Headings in the help of commands.

pub(crate) const COPIES: &str = "Options for copies";
pub(crate) const OF_ALL: &str = "Options of all commands";
