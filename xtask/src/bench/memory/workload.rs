//! What is measured: how much memory, how often.

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Memory of the process, in MiB: random, so nothing compresses it
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) mebibytes: u64,
    /// Rounds of ckpt and of podman without an archive
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Rounds of podman with an archive, which takes minutes for each; 0 leaves it out
    #[arg(long, default_value_t = 1)]
    pub(super) podman_rounds: u32,
    /// The OCI runtime, podman's default if not given
    #[arg(long)]
    pub(super) runtime: Option<String>,
}

impl Workload {
    pub(super) fn bytes(&self) -> u64 {
        self.mebibytes << 20
    }
}
