//! Everything that is kept of a run: its numbers, and what they say.

use serde::Serialize;

use super::results::SeedResults;
use super::verdict::verdicts;
use super::workload::Workload;
use crate::bench::verdict::Verdict;
use crate::lab::FileSystem;

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct SeedReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: SeedResults,
}

impl SeedReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: SeedResults) -> Self {
        let verdicts = verdicts(&results, workload.data_bytes());
        Self { fs, commit, workload, verdicts, results }
    }
}
