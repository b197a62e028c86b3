//! Everything that is kept of a run: its numbers, and what they say.

use serde::Serialize;

use super::plan::{Scale, TreePlan, Workload};
use super::results::TreeResults;
use super::verdict::verdicts;
use crate::bench::report::Report;
use crate::bench::verdict::Verdict;
use crate::lab::FileSystem;

/// Everything that is kept of a run.
#[derive(Serialize)]
pub(super) struct TreeReport {
    pub(super) fs: FileSystem,
    pub(super) commit: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) scale: Scale,
    pub(super) verdicts: Vec<Verdict>,
    #[serde(flatten)]
    pub(super) results: TreeResults,
}

impl Report for TreeReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

impl TreeReport {
    pub(super) fn new(commit: String, plan: TreePlan, results: TreeResults) -> Self {
        let TreePlan { fs, workloads, scale, .. } = plan;
        let verdicts = verdicts(&results, fs);
        Self { fs, commit, workloads, scale, verdicts, results }
    }
}
