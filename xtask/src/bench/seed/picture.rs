//! The report as a picture.

use super::contender::Contender;
use super::results::Verb;
use super::summary::SeedReport;
use crate::bench::chart::times::{Bar, Times};
use crate::bench::report::Report;
use crate::bench::verdict::Verdict;

impl Report for SeedReport {
    fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    fn times(&self) -> Option<Times> {
        draw(self)
    }
}

/// Nothing if nothing was measured.
fn draw(report: &SeedReport) -> Option<Times> {
    let SeedReport { fs, workload, results, .. } = report;
    let verbs = [(Verb::Checkpoint, "checkpoint"), (Verb::Restore, "restore")];
    let bars = verbs.iter().flat_map(|(verb, word)| {
        Contender::ALL.iter().filter_map(move |&contender| {
            let elapsed = results.elapsed(contender, *verb)?;
            Some(Bar {
                label: format!("{word}, {}", contender.title()),
                elapsed,
                is_ours: contender == Contender::Ckpt,
            })
        })
    });
    let bars: Vec<Bar> = bars.collect();
    let title = format!("{} files of {} MB on {fs}: median time (logarithmic)", workload.files, workload.megabytes);
    (!bars.is_empty()).then_some(Times { title, bars })
}
