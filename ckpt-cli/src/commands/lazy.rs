//! `ckpt lazy`.

use anyhow::{Result, ensure};
use ckpt_core::lazy::{Arrival, ArrivalState, all};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::HumanBytes;
use jiff::Timestamp;

use crate::arguments::TableFormat;
use crate::messages::print_line;
use crate::names::printable;
use crate::signals;

/// Show which containers run while their memory is still on its way
///
/// These were restored with --lazy. One whose memory did not come was killed; it is shown until it is removed.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only this container, by its name or ID
    container: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(rustix::process::geteuid().is_root(), "only root can look at what is restored: try again with sudo");
    let mut arrivals = all(Some(&signals::interrupt()?))?;
    if let Some(container) = &arguments.container {
        arrivals.retain(|arrival| arrival.name.as_ref() == Some(container) || arrival.id.starts_with(&container[..]));
    }
    match arguments.format {
        TableFormat::Json => print_line(serde_json::to_string_pretty(&arrivals)?),
        TableFormat::Table => print_line(table(&arrivals)),
    }
}

fn table(arrivals: &[Arrival]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["container", "name", "memory", "rate", "since"]);
    for arrival in arrivals {
        let id = arrival.id.get(..12).unwrap_or(&arrival.id);
        let name = printable(arrival.name.as_deref().unwrap_or_default().as_bytes());
        let rate = arrival.bytes_per_second.map(|rate| format!("{}/s", HumanBytes(rate))).unwrap_or_default();
        let since = arrival.since.and_then(|since| Timestamp::from_second(since.cast_signed()).ok());
        table.add_row([id, &name, &memory(arrival), &rate, &since.map(|since| since.to_string()).unwrap_or_default()]);
    }
    table
}

fn memory(arrival: &Arrival) -> String {
    let Arrival { arrived_bytes, total_bytes, .. } = *arrival;
    match arrival.state {
        ArrivalState::Begins => format!("{} to come", HumanBytes(total_bytes)),
        ArrivalState::Comes => format!("{} of {}", HumanBytes(arrived_bytes), HumanBytes(total_bytes)),
        ArrivalState::Lost => format!("lost: {}", printable(arrival.reason.as_deref().unwrap_or_default().as_bytes())),
    }
}
