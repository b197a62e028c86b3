//! Random changes on random overlays: diff, archive and restore give the merged tree back, whatever was done to it.
//!
//! Each sequence changes one to five lower layers, each mounted over those below it so that they have whiteouts,
//! redirects and metacopy files too, and then an upper one. What that differs in goes into an archive, and from there
//! into a new upperdir over the same lower layers. The two mounts must be equal for a walk by path and for rsync.
//!
//! `PROPTEST_RNG_SEED=N` repeats a run, `PROPTEST_CASES=N` makes it longer or shorter.

#[path = "../../layerfs/tests/support/mod.rs"]
mod support;

mod carry;
mod random;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use random::sequence::{Sequence, sequences};
use support::overlay::Overlay;
use support::tree;

/// Sequences of each test, 2,040 in all.
const SEQUENCES: u32 = 340;

/// Any number will do; a fixed one makes every run the same.
const SEED: u64 = 4;

macro_rules! random_changes {
    ($($filesystem:literal, $options:literal => $name:ident;)*) => {$(
        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $name() -> Result<()> {
            run($filesystem, $options)
        }
    )*};
}

random_changes! {
    "/mnt/btrfs", "" => privileged_btrfs_random_changes_come_back;
    "/mnt/btrfs", "metacopy=on,redirect_dir=on" => privileged_btrfs_random_changes_come_back_with_metacopy;
    "/mnt/btrfs", "userxattr" => privileged_btrfs_random_changes_come_back_with_userxattr;
    "/mnt/xfs", "" => privileged_xfs_random_changes_come_back;
    "/mnt/xfs", "metacopy=on,redirect_dir=on" => privileged_xfs_random_changes_come_back_with_metacopy;
    "/mnt/xfs", "userxattr" => privileged_xfs_random_changes_come_back_with_userxattr;
}

fn run(filesystem: &str, options: &str) -> Result<()> {
    let defaults = Config::default();
    let seed = if defaults.rng_seed == RngSeed::Random { RngSeed::Fixed(SEED) } else { defaults.rng_seed };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { defaults.cases } else { SEQUENCES };
    let config = Config { cases, rng_seed: seed, failure_persistence: None, max_shrink_iters: 500, ..defaults };
    TestRunner::new(config)
        .run(&sequences(), |sequence| check(filesystem, options, &sequence).map_err(|error| fail(&error)))
        .map_err(|error| anyhow!("PROPTEST_RNG_SEED={seed}: {error}"))
}

fn fail(error: &anyhow::Error) -> proptest::test_runner::TestCaseError {
    proptest::test_runner::TestCaseError::fail(format!("{error:#}"))
}

fn check(filesystem: &str, options: &str, sequence: &Sequence) -> Result<()> {
    let overlay = Overlay::new(filesystem, sequence.lowers.len(), options)?;
    let links_in_lowers = !options.contains("redirect_dir");
    for (index, changes) in sequence.lowers.iter().enumerate().rev() {
        let mounted = if index + 1 == sequence.lowers.len() { None } else { Some(overlay.mount_lower(index)?) };
        let root = mounted.as_ref().map_or_else(|| overlay.lower(index), |mounted| mounted.path().to_owned());
        // A renamed directory's content is copied, so that a link to a file elsewhere in the image is none any more.
        let changes = changes.iter().filter(|change| links_in_lowers || !change.is_link());
        changes.for_each(|change| change.make(&root));
    }
    let mounted = overlay.mount("u")?;
    sequence.upper.iter().for_each(|change| change.make(mounted.path()));
    drop(mounted);
    random::round_trip::round_trip(&overlay, "u", "again")
}

/// Deeper than a process may hold directories open (1024), and deeper than paths go (PATH_MAX, 4096 bytes).
const DEPTH: usize = 2200;

/// Makes what is missing of `DEPTH` folders below `from`, and gives the last one as a path by its descriptor.
fn descend(from: &Path) -> Result<(OwnedFd, PathBuf)> {
    let mut dir = OwnedFd::from(File::open(from)?);
    for _ in 0..DEPTH {
        match rustix::fs::mkdirat(&dir, "d", Mode::RWXU) {
            Err(Errno::EXIST) => {}
            made => made?,
        }
        // Closed on exec: a program that another test starts would keep the mount busy.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        dir = rustix::fs::openat(&dir, "d", flags, Mode::empty())?;
    }
    let path = format!("/proc/self/fd/{}/.", dir.as_raw_fd()).into();
    Ok((dir, path))
}

fn deep(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, "redirect_dir=on")?;
    let (_lower, path) = descend(&overlay.lower(1))?;
    support::shell(&path, "touch gone; mkdir old; echo kept > old/kept")?;
    let mounted = overlay.mount("u")?;
    let (upper, path) = descend(mounted.path())?;
    support::shell(&path, "rm gone; mv old new; echo a > file; ln file hard; ln -s file link; mkfifo fifo")?;
    let changed = tree::read(&path)?;
    drop((upper, mounted));
    let supplement = carry::carry(&overlay.layers("u")?, &overlay.layers("again")?)?;
    let names: Vec<_> = supplement.deleted.iter().filter_map(|path| path.file_name()).collect();
    assert_eq!(names, ["gone", "old"]);
    assert!(supplement.deleted[0].as_os_str().len() > 4096);
    let mounted = overlay.mount("again")?;
    let (restored, path) = descend(mounted.path())?;
    let differences = tree::differences(&changed, &tree::read(&path)?);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    drop((restored, mounted));
    // The same from what was restored: nothing of it is lost on the way through the layers.
    let mut count = 0;
    layerfs::walk(&overlay.layers("again")?, |_| {
        count += 1;
        Ok::<(), std::io::Error>(())
    })?;
    // The root, all directories, the five names and the file in one of them, and the deletions.
    assert_eq!(count, 1 + DEPTH + 5 + 1 + 2);
    // std would hold a descriptor for each level as well.
    let folder = overlay.lower(0);
    support::run("rm", ["-rf".as_ref(), folder.parent().unwrap_or(&folder)])
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_a_deep_tree_comes_back() -> Result<()> {
    deep("/mnt/btrfs")
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_a_deep_tree_comes_back() -> Result<()> {
    deep("/mnt/xfs")
}
