//! Everything that is kept of a run: its numbers, and what they say.

use serde::Serialize;

use super::results::MemoryResults;
use super::verdict::verdicts;
use super::workload::Workload;
use crate::bench::report::Report;
use crate::bench::verdict::Verdict;
use crate::lab::FileSystem;

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct MemoryReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workload: Workload,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: MemoryResults,
}

impl Report for MemoryReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl MemoryReport {
    pub(super) fn new(fs: FileSystem, commit: String, workload: Workload, results: MemoryResults) -> Self {
        let verdicts = verdicts(&results);
        Self { fs, commit, workload, verdicts, results }
    }
}
