//! The least that the work costs, as programs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The programs of the crate `benches`, at the same paths in the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LimitPrograms {
    pub(super) clone_loop: PathBuf,
    pub(super) bare_calls: PathBuf,
}
