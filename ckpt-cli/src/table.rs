//! Tables on standard output: on a terminal as wide as that is, else as wide as their words.

use std::io::{IsTerminal, stdout};

use anyhow::Result;
use comfy_table::{ContentArrangement, Table};
use rustix::termios::tcgetwinsize;

use crate::messages::print_text;

/// Prints a table.
pub(crate) fn print_table(table: Table) -> Result<()> {
    print_text(fitted(table))
}

/// The table, with lines broken where the terminal ends.
pub(crate) fn fitted(mut table: Table) -> Table {
    if let Some(columns) = columns() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn columns() -> Option<u16> {
    let size = tcgetwinsize(stdout()).ok().filter(|_| stdout().is_terminal())?;
    // One that does not know its size says 0.
    Some(size.ws_col).filter(|columns| *columns > 0)
}
