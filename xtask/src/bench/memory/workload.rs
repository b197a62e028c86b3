//! What is measured: how much memory, by which runtimes, how often.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Memory of the process, in MiB: random, so nothing compresses it; may be repeated
    #[arg(long, default_values_t = [64, 1024, 4096], value_parser = clap::value_parser!(u64).range(2..))]
    pub(super) mebibytes: Vec<u64>,
    /// The OCI runtime; may be repeated
    #[arg(long, default_values_t = ["crun".to_owned(), "runc".to_owned()])]
    pub(super) runtime: Vec<String>,
    /// Rounds of all but podman with an archive
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Rounds with CRIU's own server, by crun alone; 0 leaves it out
    #[arg(long, default_value_t = 5)]
    pub(super) criu_rounds: u32,
    /// Rounds of podman with an archive, which takes minutes for each; 0 leaves it out
    #[arg(long, default_value_t = 0)]
    pub(super) podman_rounds: u32,
    /// What reads and puts pages at the least cost, at the same path in the lab.
    #[arg(skip)]
    pub(super) page_loop: PathBuf,
}
