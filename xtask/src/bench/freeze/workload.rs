//! What is measured: how many files, how often.

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed files of 100 MB in the container
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(10..))]
    pub(super) files: u32,
    /// Rounds for each size and destination
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
}

impl Workload {
    /// Of all files.
    pub(crate) fn megabytes(&self) -> u64 {
        u64::from(self.files) * 100
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }
}
