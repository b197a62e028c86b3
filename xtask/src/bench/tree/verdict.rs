//! The targets, and whether a run met them.

use super::contender::Contender::{Ckpt, CloneLoop, GnuTar};
use super::plan::Tree;
use super::results::{TreeResults, Verb};
use crate::bench::verdict::{Bound, Verdict};
use crate::lab::FileSystem;

/// Times the loop of clones.
const LARGE_RATIO: f64 = 3.0;
/// GNU tar's time, of ours.
const SMALL_PACK_RATIO: f64 = 3.0;
const SMALL_UNPACK_RATIO: f64 = 2.0;
/// The same without clones.
const NO_REFLINK_RATIO: f64 = 1.0;
/// Time for each of ten times as many files.
const GROWTH_RATIO: f64 = 1.3;
const MEMORY_MIB: f64 = 64.0;
const SPARSE_MS: f64 = 100.0;

/// One for each target whose workload was measured.
pub(super) fn verdicts(results: &TreeResults, fs: FileSystem) -> Vec<Verdict> {
    let of_verb = |verb| {
        if fs == FileSystem::Ext4 { without_reflink(results, verb).to_vec() } else { with_reflink(results, verb) }
    };
    let holes = results.holes_kept(Ckpt).map(|kept| {
        Verdict::new("sparse: same holes in all rounds", "", Bound::AtLeast(1.0), f64::from(u8::from(kept)))
    });
    Verb::ALL.into_iter().flat_map(of_verb).flatten().chain(holes).collect()
}

fn with_reflink(results: &TreeResults, verb: Verb) -> Vec<Option<Verdict>> {
    let name = verb.name();
    let small = if verb == Verb::Pack { SMALL_PACK_RATIO } else { SMALL_UNPACK_RATIO };
    let large = results.ratio(Tree::Large, verb, Ckpt, CloneLoop);
    let memory = results.peak_memory_bytes(Tree::Million, Ckpt, verb);
    let sparse = results.elapsed(Tree::Sparse, Ckpt, verb);
    vec![
        large
            .map(|ratio| Verdict::new(format!("large, {name}"), "× loop of clones", Bound::AtMost(LARGE_RATIO), ratio)),
        faster_than_tar(results, Tree::Small, verb, small),
        growth(results, verb).map(|ratio| {
            Verdict::new(format!("million, {name}: time per file"), "× a tenth's", Bound::AtMost(GROWTH_RATIO), ratio)
        }),
        memory.map(|bytes| {
            let mebibytes = bytes as f64 / f64::from(1 << 20);
            Verdict::new(format!("million, {name}: peak memory"), "MiB", Bound::AtMost(MEMORY_MIB), mebibytes)
        }),
        sparse.map(|spread| {
            Verdict::new(format!("sparse, {name}"), "ms", Bound::AtMost(SPARSE_MS), spread.median as f64 / 1e3)
        }),
    ]
}

fn without_reflink(results: &TreeResults, verb: Verb) -> [Option<Verdict>; 2] {
    [Tree::Large, Tree::Small].map(|tree| faster_than_tar(results, tree, verb, NO_REFLINK_RATIO))
}

fn faster_than_tar(results: &TreeResults, tree: Tree, verb: Verb, times: f64) -> Option<Verdict> {
    let what = format!("{}, {}", if tree == Tree::Large { "large" } else { "small" }, verb.name());
    let ratio = results.ratio(tree, verb, GnuTar, Ckpt)?;
    Some(Verdict::new(what, "× faster than tar", Bound::AtLeast(times), ratio))
}

fn growth(results: &TreeResults, verb: Verb) -> Option<f64> {
    Some(results.per_file_us(Tree::Million, Ckpt, verb)? / results.per_file_us(Tree::Tenth, Ckpt, verb)?)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn every_target_has_its_verdict() {
        let found: Vec<(String, f64, bool)> = verdicts(&results(), FileSystem::Btrfs)
            .into_iter()
            .map(|verdict| (verdict.what, (verdict.measured * 100.0).round() / 100.0, verdict.met))
            .collect();
        let expected = [
            ("large, pack", 3.0, true),
            ("small, pack", 3.0, true),
            ("million, pack: time per file", 1.2, true),
            ("million, pack: peak memory", 8.0, true),
            ("sparse, pack", 50.0, true),
            ("large, unpack", 3.25, false),
            ("small, unpack", 2.0, true),
            ("million, unpack: time per file", 1.5, false),
            ("million, unpack: peak memory", 8.0, true),
            ("sparse, unpack", 150.0, false),
            ("sparse: same holes in all rounds", 1.0, true),
        ];
        assert_eq!(found, expected.map(|(what, measured, met)| (what.to_owned(), measured, met)));
    }

    #[test]
    fn what_was_not_measured_has_no_verdict() {
        let mut results = results();
        results.rounds.retain(|round| round.tree == Tree::Small);
        let found: Vec<String> = verdicts(&results, FileSystem::Ext4).into_iter().map(|verdict| verdict.what).collect();
        assert_eq!(found, ["small, pack", "small, unpack"]);
    }
}
