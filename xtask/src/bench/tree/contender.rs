//! Who does the same job, and how.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::limits::LimitPrograms;
use super::plan::{Tree, Workload};
use crate::lab::FileSystem;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contender {
    Ckpt,
    /// The same on one core.
    CkptOneJob,
    /// One FICLONERANGE for each file and nothing else: what nobody can beat.
    CloneLoop,
    /// For each small file only the calls that nobody can leave out.
    BareCalls,
    GnuTar,
    Bsdtar,
    /// Copies the tree, and copies the copy; by clones where the file system can.
    Cp,
}

/// The part of a contender that depends on where it runs.
pub(super) struct Setting<'a> {
    pub(super) tree: Tree,
    pub(super) fs: FileSystem,
    pub(super) limits: &'a LimitPrograms,
}

impl Contender {
    pub(super) const ALL: [Self; 7] =
        [Self::Ckpt, Self::CkptOneJob, Self::CloneLoop, Self::BareCalls, Self::GnuTar, Self::Bsdtar, Self::Cp];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ckpt => "ckpt",
            Self::CkptOneJob => "ckpt --jobs 1",
            Self::CloneLoop => "limit: loop of clones",
            Self::BareCalls => "limit: bare calls",
            Self::GnuTar => "tar",
            Self::Bsdtar => "bsdtar",
            Self::Cp => "cp -a --reflink",
        }
    }

    pub(super) fn takes_part(self, workload: Workload, fs: FileSystem) -> bool {
        match self {
            Self::Ckpt | Self::GnuTar => true,
            Self::CloneLoop => workload == Workload::Large && fs != FileSystem::Ext4,
            Self::BareCalls | Self::CkptOneJob => matches!(workload, Workload::Small | Workload::Million),
            Self::Bsdtar | Self::Cp => workload != Workload::Million,
        }
    }

    /// Whether a target is about it: then it runs in all rounds.
    pub(super) fn is_reference(self, workload: Workload, fs: FileSystem) -> bool {
        match self {
            Self::Ckpt | Self::CloneLoop | Self::BareCalls => true,
            Self::GnuTar => workload == Workload::Small || fs == FileSystem::Ext4,
            // As many rounds, since it is fast: the limit of clones, made by others.
            Self::Cp => workload != Workload::Small && fs != FileSystem::Ext4,
            Self::CkptOneJob | Self::Bsdtar => false,
        }
    }

    /// Packs what is in the folder `source`.
    pub(super) fn pack(self, setting: &Setting<'_>, source: &Path, archive: &Path) -> Command {
        match self {
            Self::Ckpt => command("ckpt", &[&"pack", &"-f", &archive, &"-C", &source, &"."]),
            Self::CkptOneJob => command("ckpt", &[&"pack", &"--jobs=1", &"-f", &archive, &"-C", &source, &"."]),
            Self::CloneLoop => command(&setting.limits.clone_loop, &[&"pack", &source, &archive]),
            Self::BareCalls => command(&setting.limits.bare_calls, &[&"pack", &source, &archive]),
            // Of its own accord it reads holes as zeros.
            Self::GnuTar if setting.tree == Tree::Sparse => command("tar", &[&"-cSf", &archive, &"-C", &source, &"."]),
            Self::GnuTar => command("tar", &[&"-cf", &archive, &"-C", &source, &"."]),
            Self::Bsdtar => command("bsdtar", &[&"-cf", &archive, &"-C", &source, &"."]),
            Self::Cp => cp(setting.fs, source, archive),
        }
    }

    /// Unpacks into the folder `target`, which is empty.
    pub(super) fn unpack(self, setting: &Setting<'_>, archive: &Path, target: &Path) -> Command {
        match self {
            Self::Ckpt => command("ckpt", &[&"unpack", &archive, &"-C", &target]),
            Self::CkptOneJob => command("ckpt", &[&"unpack", &"--jobs=1", &archive, &"-C", &target]),
            Self::CloneLoop => command(&setting.limits.clone_loop, &[&"unpack", &archive, &target]),
            Self::BareCalls => command(&setting.limits.bare_calls, &[&"unpack", &archive, &target]),
            Self::GnuTar => command("tar", &[&"-xf", &archive, &"-C", &target]),
            Self::Bsdtar => command("bsdtar", &[&"-xf", &archive, &"-C", &target]),
            Self::Cp => cp(setting.fs, archive, target),
        }
    }

    /// Whether owners and times are part of its job.
    pub(super) fn keeps_attributes(self) -> bool {
        !matches!(self, Self::CloneLoop | Self::BareCalls)
    }
}

fn cp(fs: FileSystem, source: &Path, target: &Path) -> Command {
    let reflink = if fs == FileSystem::Ext4 { "--reflink=auto" } else { "--reflink=always" };
    // The content of `source` becomes that of `target`, whether that is there or not.
    command("cp", &[&"-a", &reflink, &"-T", &source, &target])
}

fn command(program: impl AsRef<OsStr>, words: &[&dyn AsRef<OsStr>]) -> Command {
    let mut command = Command::new(program);
    command.args(words.iter().map(|word| word.as_ref()));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_run_in_all_rounds() {
        let references = |workload, fs| {
            let takes_part = |who: &Contender| who.takes_part(workload, fs) && who.is_reference(workload, fs);
            Contender::ALL.into_iter().filter(takes_part).collect::<Vec<_>>()
        };
        use Contender::{BareCalls, Ckpt, CloneLoop, Cp, GnuTar};
        assert_eq!(references(Workload::Large, FileSystem::Btrfs), [Ckpt, CloneLoop, Cp]);
        assert_eq!(references(Workload::Small, FileSystem::Xfs), [Ckpt, BareCalls, GnuTar]);
        assert_eq!(references(Workload::Million, FileSystem::Xfs), [Ckpt, BareCalls]);
        assert_eq!(references(Workload::Large, FileSystem::Ext4), [Ckpt, GnuTar]);
    }

    #[test]
    fn only_gnu_tar_is_told_of_holes() {
        let line = |contender: Contender, tree| {
            let limits = LimitPrograms { clone_loop: "clone-loop".into(), bare_calls: "bare-calls".into() };
            let setting = Setting { tree, fs: FileSystem::Xfs, limits: &limits };
            format!("{:?}", contender.pack(&setting, Path::new("tree"), Path::new("a.tar")))
        };
        assert_eq!(line(Contender::GnuTar, Tree::Sparse), r#""tar" "-cSf" "a.tar" "-C" "tree" ".""#);
        assert_eq!(line(Contender::GnuTar, Tree::Small), r#""tar" "-cf" "a.tar" "-C" "tree" ".""#);
        assert_eq!(line(Contender::Ckpt, Tree::Sparse), r#""ckpt" "pack" "-f" "a.tar" "-C" "tree" ".""#);
    }
}
