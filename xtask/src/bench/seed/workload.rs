//! What is measured: how many files of which size, how often.

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed files in the container
    #[arg(long, default_value_t = 51, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) files: u32,
    /// Size of each, in MB (10^6 bytes)
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) megabytes: u64,
    /// Rounds of ckpt and of podman's floor
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Rounds of podman alone, which takes a minute for each; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    pub(super) podman_rounds: u32,
    /// The OCI runtime, podman's default if not given
    #[arg(long)]
    pub(super) runtime: Option<String>,
}

impl Workload {
    pub(super) fn file_bytes(&self) -> u64 {
        self.megabytes * 1_000_000
    }

    pub(super) fn data_bytes(&self) -> u64 {
        u64::from(self.files) * self.file_bytes()
    }
}
