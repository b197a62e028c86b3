//! `cargo xtask bench freeze --fs ext4`: where nothing can be cloned, how long a container stands still whose files change.
//!
//! ```text
//! host                 lab
//! run ── Workload ──▶ run_inside ── 10 MB, 1 GB, all; warm and cold; one file of a hundred is written all the time
//!     ◀── results ──┘
//!     ── table, verdicts, target/bench/passes-ext4.json
//! ```

mod results;
mod rounds;
mod table;

use std::process::ExitCode;

use anyhow::Result;

use super::workload::Workload;
use crate::bench::report::{self, Bench};
use crate::lab::FileSystem;
use results::PassesReport;

pub(super) fn run(file_systems: &[FileSystem], workload: &Workload, no_build: bool) -> Result<ExitCode> {
    let bench = Bench {
        name: "passes",
        file_systems,
        no_build,
        image_gib: gibibytes(workload),
        workload,
        title: format!("A container with up to {} MB of files, of which 1 % change all the time", workload.megabytes()),
    };
    bench.run(PassesReport::new, table::render)
}

/// Room for the files, their archive, a copy and a restored container, and for what else is there. All of it is written
/// once beforehand, so it is no more than that.
fn gibibytes(workload: &Workload) -> u64 {
    4 * workload.megabytes().div_ceil(1000) + 4
}

/// What runs inside the lab; the results go to standard output.
pub(crate) fn run_inside(workload: &Workload) -> Result<ExitCode> {
    report::print(&rounds::run(workload)?)
}
