//! `ckpt lazy`.

use std::time::{Duration, SystemTime};

use anyhow::{Result, ensure};
use ckpt_core::lazy::{Arrival, ArrivalState, all, of};
use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{HumanBytes, HumanDuration};

use crate::arguments::TableFormat;
use crate::arrived::Arrived;
use crate::json::print_json;
use crate::messages::print_line;
use crate::names::printable;
use crate::signals;
use crate::table::print_table;

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
    let interrupt = Some(signals::interrupt()?);
    let arrivals = match &arguments.container {
        Some(container) => of(container, interrupt.as_ref())?,
        None => all(interrupt.as_ref())?,
    };
    match arguments.format {
        TableFormat::Json => print_json(&arrivals),
        TableFormat::Table if arrivals.is_empty() => print_line("no memory is on its way"),
        TableFormat::Table => print_table(table(&arrivals)),
    }
}

fn table(arrivals: &[Arrival]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["container", "name", "memory", "rate", "left", "began"]);
    for arrival in arrivals {
        let id = arrival.id.get(..12).unwrap_or(&arrival.id);
        let name = printable(arrival.name.as_deref().unwrap_or_default().as_bytes());
        let far = arrived(arrival);
        let (rate, left) = match arrival.state {
            ArrivalState::Comes => (far.rate(), far.left()),
            _ => (None, None),
        };
        let [rate, left, began] = [rate, left, ago(arrival.since)].map(Option::unwrap_or_default);
        table.add_row([id, &name, &memory(arrival), &rate, &left, &began]);
    }
    table
}

fn arrived(arrival: &Arrival) -> Arrived {
    let Arrival { arrived_bytes: bytes, total_bytes: total, bytes_per_second, .. } = *arrival;
    Arrived { bytes, total, bytes_per_second }
}

/// `3 seconds ago`, of seconds since 1970.
fn ago(since: Option<u64>) -> Option<String> {
    let elapsed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_secs(since?)).ok()?;
    Some(format!("{} ago", HumanDuration(elapsed)))
}

fn memory(arrival: &Arrival) -> String {
    match arrival.state {
        ArrivalState::Begins => format!("{} to come", HumanBytes(arrival.total_bytes)),
        ArrivalState::Comes => arrived(arrival).memory(),
        ArrivalState::Lost => format!("lost: {}", printable(arrival.reason.as_deref().unwrap_or_default().as_bytes())),
    }
}
