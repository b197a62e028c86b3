//! What is measured: how many changes over how many files, how often.

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// Changed paths in the container: a tenth each appended to and deleted, the rest new
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1000..))]
    pub(super) changes: u32,
    /// Files of the image; another image has a tenth of them
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..))]
    pub(super) image_files: u32,
    /// Rounds of ckpt
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
    /// Rounds of podman, which takes a minute for each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) podman_rounds: u32,
}
