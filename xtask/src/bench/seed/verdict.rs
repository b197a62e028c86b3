//! The targets, and whether a run met them.

use super::contender::Contender;
use super::results::{SeedResults, Verb};
use crate::bench::verdict::{Bound, Verdict};

/// Times the floor of the same run: CRIU waits for no freeze of `ckpt`, and for that of the floor by chance.
const CHECKPOINT_LIMIT: f64 = 1.0;
const RESTORE_LIMIT: f64 = 1.25;
const CAPTURE_LIMIT_MS: f64 = 25.0;
const MEMORY_LIMIT_MIB: f64 = 32.0;
const GROWTH_LIMIT_PERCENT: f64 = 1.0;

pub(super) fn verdicts(results: &SeedResults, data_bytes: u64) -> Vec<Verdict> {
    let ratio = |verb| {
        let (ckpt, floor) = (results.elapsed(Contender::Ckpt, verb)?, results.elapsed(Contender::Floor, verb)?);
        Some(ckpt.ratio(&floor))
    };
    let growth = |verb| results.grown_percent(Contender::Ckpt, verb, data_bytes);
    let capture = results.files(Verb::Checkpoint).map(|capture| capture.median as f64 / 1e3);
    let memory = results.peak_memory_bytes(Contender::Ckpt).map(|bytes| bytes as f64 / f64::from(1 << 20));
    let found = [
        ("checkpoint, median", "× floor", CHECKPOINT_LIMIT, ratio(Verb::Checkpoint)),
        ("restore, median", "× floor", RESTORE_LIMIT, ratio(Verb::Restore)),
        ("archive building alone, median", "ms", CAPTURE_LIMIT_MS, capture),
        ("peak memory of ckpt, highest", "MiB", MEMORY_LIMIT_MIB, memory),
        ("space for the archive, highest", "% of the data", GROWTH_LIMIT_PERCENT, growth(Verb::Checkpoint)),
        ("space for the restored files, highest", "% of the data", GROWTH_LIMIT_PERCENT, growth(Verb::Restore)),
    ];
    let found = found.into_iter();
    found
        .filter_map(|(what, unit, limit, measured)| Some(Verdict::new(what, unit, Bound::AtMost(limit), measured?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn verdicts_come_from_medians_and_extremes() {
        let verdicts = verdicts(&results(), 1_000_000);
        let found: Vec<(f64, bool)> = verdicts.iter().map(|verdict| (verdict.measured, verdict.met)).collect();
        assert_eq!(found, [(1.5, false), (1.5, false), (2.0, true), (8.0, true), (0.5, true), (0.5, true)]);
    }
}
