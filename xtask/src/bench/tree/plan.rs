//! What is measured: which trees, how large, how often.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::limits::LimitPrograms;
use crate::lab::FileSystem;

/// What is asked for; each has targets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Workload {
    /// 51 files of 100 MB, 10 on ext4
    Large,
    /// 100,000 files of 816 MB in all, in 997 folders
    Small,
    /// 1,000,000 files of at most 1000 bytes, and a tenth of them; takes an hour
    Million,
    /// One file of 1 TB with 1 GB of data in 1,000 places; not on ext4
    Sparse,
}

impl Workload {
    pub(super) const ALL: [Self; 4] = [Self::Large, Self::Small, Self::Million, Self::Sparse];

    /// Those that take minutes.
    pub(super) const QUICK: [Self; 3] = [Self::Large, Self::Small, Self::Sparse];

    /// Measured in turns, one round of each after the other.
    pub(super) fn trees(self) -> &'static [Tree] {
        match self {
            Self::Large => &[Tree::Large],
            Self::Small => &[Tree::Small],
            Self::Million => &[Tree::Tenth, Tree::Million],
            Self::Sparse => &[Tree::Sparse],
        }
    }

    /// Whether the issue has a target for it there.
    pub(super) fn belongs_on(self, fs: FileSystem) -> bool {
        fs != FileSystem::Ext4 || matches!(self, Self::Large | Self::Small)
    }
}

/// A tree of files that is packed and unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tree {
    Large,
    Small,
    /// As the million, but a tenth of it.
    Tenth,
    Million,
    Sparse,
}

/// Numbers, each with what the targets are about as its default.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Scale {
    /// Files of the large workload; 10 on ext4 if not given
    #[arg(long, value_name = "N")]
    large_files: Option<u32>,
    /// Size of each, in MB (10^6 bytes)
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    large_megabytes: u64,
    /// Files of the small workload
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    small_files: u32,
    /// Files of the million workload
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10..))]
    million_files: u32,
    /// Places of the sparse workload
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    sparse_places: u32,
    /// Rounds of ckpt and of those it has to be compared with
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The same, of the million workload
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    million_rounds: u32,
    /// Rounds of the others, which only give an idea; 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 1)]
    podman_rounds: u32,
}

impl Scale {
    pub(super) fn files(&self, tree: Tree, fs: FileSystem) -> u32 {
        match tree {
            Tree::Large => self.large_files.unwrap_or(if fs == FileSystem::Ext4 { 10 } else { 51 }),
            Tree::Small => self.small_files,
            Tree::Tenth => self.million_files / 10,
            Tree::Million => self.million_files,
            Tree::Sparse => 1,
        }
    }

    pub(super) fn large_bytes(&self) -> u64 {
        self.large_megabytes * 1_000_000
    }

    pub(super) fn sparse_places(&self) -> u32 {
        self.sparse_places
    }

    /// Of a contender: one that targets are about, or another.
    pub(super) fn rounds(&self, workload: Workload, is_reference: bool) -> u32 {
        match workload {
            _ if !is_reference => self.podman_rounds,
            Workload::Million => self.million_rounds,
            _ => self.rounds,
        }
    }
}

/// Handed to the lab as one argument in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TreePlan {
    pub(super) fs: FileSystem,
    pub(super) workloads: Vec<Workload>,
    pub(super) scale: Scale,
    pub(super) limits: LimitPrograms,
}

impl FromStr for TreePlan {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        scale: Scale,
    }

    pub(in super::super) fn scale(arguments: &[&str]) -> Scale {
        Cli::parse_from(["bench"].iter().chain(arguments)).scale
    }

    #[test]
    fn defaults_are_what_the_targets_are_about() {
        let scale = scale(&[]);
        let files = |tree| scale.files(tree, FileSystem::Xfs);
        let trees = [Tree::Large, Tree::Small, Tree::Tenth, Tree::Million, Tree::Sparse];
        assert_eq!(trees.map(files), [51, 100_000, 100_000, 1_000_000, 1]);
        assert_eq!(scale.files(Tree::Large, FileSystem::Ext4), 10);
        assert_eq!(scale.large_bytes(), 100_000_000);
    }

    #[test]
    fn rounds_depend_on_what_they_are_for() {
        let scale = scale(&["--rounds=7", "--podman-rounds=0"]);
        assert_eq!(scale.rounds(Workload::Small, true), 7);
        assert_eq!(scale.rounds(Workload::Million, true), 3);
        assert_eq!(scale.rounds(Workload::Million, false), 0);
    }

    #[test]
    fn a_plan_survives_the_way_into_the_lab() {
        let plan = TreePlan {
            fs: FileSystem::Btrfs,
            workloads: Workload::QUICK.to_vec(),
            scale: scale(&["--large-files=3"]),
            limits: LimitPrograms { clone_loop: "clone-loop".into(), bare_calls: "bare-calls".into() },
        };
        let back: TreePlan = serde_json::to_string(&plan).expect("a plan is JSON").parse().expect("it was written");
        assert_eq!(back.workloads, plan.workloads);
        assert_eq!(back.scale.files(Tree::Large, back.fs), 3);
    }
}
