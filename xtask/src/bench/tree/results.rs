//! The numbers of a run, as they are in the JSON file.

use serde::{Deserialize, Serialize};

use super::census::Census;
use super::contender::Contender;
use super::plan::Tree;
use crate::bench::machine::Machine;
use crate::bench::spread::Spread;

/// One timed command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    /// The whole process, wall clock.
    pub(super) elapsed_us: u64,
    /// In user and kernel mode.
    pub(super) cpu_us: u64,
    pub(super) peak_memory_bytes: u64,
    /// Growth of the file system's used space.
    pub(super) grown_bytes: i64,
}

/// A tree packed and unpacked again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) tree: Tree,
    pub(super) contender: Contender,
    pub(super) pack: Sample,
    pub(super) unpack: Sample,
    /// Whether the sparse file came back with data and holes where they were.
    pub(super) holes_kept: Option<bool>,
}

/// A tree that was measured, and what it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CountedTree {
    pub(super) tree: Tree,
    pub(super) census: Census,
}

/// What the lab found out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TreeResults {
    pub(super) machine: Machine,
    pub(super) trees: Vec<CountedTree>,
    /// In the order in which they ran.
    pub(super) rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Pack,
    Unpack,
}

impl Verb {
    pub(super) const ALL: [Self; 2] = [Self::Pack, Self::Unpack];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Unpack => "unpack",
        }
    }
}

impl Round {
    fn sample(&self, verb: Verb) -> &Sample {
        match verb {
            Verb::Pack => &self.pack,
            Verb::Unpack => &self.unpack,
        }
    }
}

impl TreeResults {
    fn rounds_of(&self, tree: Tree, contender: Contender) -> impl Iterator<Item = &Round> {
        self.rounds.iter().filter(move |round| round.tree == tree && round.contender == contender)
    }

    /// `None` if the contender took no part.
    pub(super) fn elapsed(&self, tree: Tree, contender: Contender, verb: Verb) -> Option<Spread> {
        Spread::of(self.rounds_of(tree, contender).map(|round| round.sample(verb).elapsed_us))
    }

    /// The median, in user and kernel mode.
    pub(super) fn cpu_us(&self, tree: Tree, contender: Contender, verb: Verb) -> Option<u64> {
        let spread = Spread::of(self.rounds_of(tree, contender).map(|round| round.sample(verb).cpu_us));
        spread.map(|spread| spread.median)
    }

    /// How many times longer `contender` takes than `other`, by their medians.
    pub(super) fn ratio(&self, tree: Tree, verb: Verb, contender: Contender, other: Contender) -> Option<f64> {
        Some(self.elapsed(tree, contender, verb)?.ratio(&self.elapsed(tree, other, verb)?))
    }

    /// Median of the time for one file, in microseconds.
    pub(super) fn per_file_us(&self, tree: Tree, contender: Contender, verb: Verb) -> Option<f64> {
        let counted = self.trees.iter().find(|counted| counted.tree == tree)?;
        Some(self.elapsed(tree, contender, verb)?.median as f64 / counted.census.files as f64)
    }

    /// The highest of all rounds.
    pub(super) fn peak_memory_bytes(&self, tree: Tree, contender: Contender, verb: Verb) -> Option<u64> {
        self.rounds_of(tree, contender).map(|round| round.sample(verb).peak_memory_bytes).max()
    }

    /// The largest of all rounds.
    pub(super) fn grown_bytes(&self, tree: Tree, contender: Contender, verb: Verb) -> Option<i64> {
        self.rounds_of(tree, contender).map(|round| round.sample(verb).grown_bytes).max()
    }

    /// Whether they were in every round; `None` where there are none.
    pub(super) fn holes_kept(&self, contender: Contender) -> Option<bool> {
        let kept = self.rounds_of(Tree::Sparse, contender).filter_map(|round| round.holes_kept);
        kept.reduce(|before, now| before && now)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn round(tree: Tree, contender: Contender, pack_us: u64, unpack_us: u64) -> Round {
        let sample =
            |elapsed_us| Sample { elapsed_us, cpu_us: elapsed_us * 2, peak_memory_bytes: 8 << 20, grown_bytes: 5000 };
        let holes_kept = (tree == Tree::Sparse).then_some(contender != Contender::Bsdtar);
        Round { tree, contender, pack: sample(pack_us), unpack: sample(unpack_us), holes_kept }
    }

    fn counted(tree: Tree, files: u64) -> CountedTree {
        CountedTree { tree, census: Census { files, folders: 997, bytes: files * 700, ..Census::default() } }
    }

    pub(in super::super) fn results() -> TreeResults {
        let machine = Machine {
            cores: 2,
            kernel: "6.18".into(),
            load: "0.50".into(),
            podman: "5.4.2".into(),
            criu: "4.1.1".into(),
        };
        let rounds = vec![
            round(Tree::Large, Contender::Ckpt, 12_000, 13_000),
            round(Tree::Large, Contender::CloneLoop, 4000, 4000),
            round(Tree::Large, Contender::GnuTar, 5_000_000, 6_000_000),
            round(Tree::Small, Contender::Ckpt, 700_000, 2_400_000),
            round(Tree::Small, Contender::GnuTar, 2_400_000, 5_000_000),
            round(Tree::Small, Contender::Ckpt, 800_000, 2_500_000),
            round(Tree::Small, Contender::Ckpt, 900_000, 2_600_000),
            round(Tree::Tenth, Contender::Ckpt, 500_000, 1_000_000),
            round(Tree::Million, Contender::Ckpt, 6_000_000, 15_000_000),
            round(Tree::Sparse, Contender::Ckpt, 50_000, 150_000),
            round(Tree::Sparse, Contender::Bsdtar, 50_000, 150_000),
        ];
        let trees = vec![
            counted(Tree::Large, 51),
            counted(Tree::Small, 100_000),
            counted(Tree::Tenth, 100_000),
            counted(Tree::Million, 1_000_000),
            counted(Tree::Sparse, 1),
        ];
        TreeResults { machine, trees, rounds }
    }

    #[test]
    fn a_contender_has_its_own_samples() {
        let results = results();
        let found = results.elapsed(Tree::Small, Contender::Ckpt, Verb::Pack);
        assert_eq!(found, Some(Spread { min: 700_000, median: 800_000, max: 900_000 }));
        assert_eq!(results.elapsed(Tree::Small, Contender::Cp, Verb::Pack), None);
        assert_eq!(results.ratio(Tree::Small, Verb::Unpack, Contender::GnuTar, Contender::Ckpt), Some(2.0));
    }

    #[test]
    fn times_are_shared_among_files() {
        assert_eq!(results().per_file_us(Tree::Million, Contender::Ckpt, Verb::Unpack), Some(15.0));
    }

    #[test]
    fn holes_are_only_in_the_sparse_tree() {
        let results = results();
        let kept = [Contender::Ckpt, Contender::Bsdtar, Contender::Cp].map(|who| results.holes_kept(who));
        assert_eq!(kept, [Some(true), Some(false), None]);
    }
}
