//! What is measured: how many copies, of what, how often.

use clap::Args;
use serde::{Deserialize, Serialize};

/// What is measured; handed to the lab as one argument in JSON.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// How many copies; may be repeated
    #[arg(long, default_values_t = [1, 4, 16, 32])]
    pub(super) copies: Vec<u32>,
    /// How many are made at a time, by `ckpt` and by podman; two for each core by default
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) jobs: Option<u32>,
    /// Changed files of 100 MB in the container that `ckpt` copies; podman's has none
    #[arg(long, default_value_t = 5)]
    pub(super) files: u32,
    /// The OCI runtime
    #[arg(long, default_value = "crun")]
    pub(super) runtime: String,
    /// Rounds for each number of copies
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: u32,
}
