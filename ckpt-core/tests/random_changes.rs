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

use anyhow::{Result, anyhow};
use proptest::test_runner::{Config, RngSeed, TestRunner};

use random::sequence::{Sequence, sequences};
use support::overlay::Overlay;

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

/// Deeper than a process may hold directories open (1024), nearly as deep as paths go.
fn deep(filesystem: &str) -> Result<()> {
    const DEPTH: usize = 2000;
    let overlay = Overlay::new(filesystem, 2, "")?;
    let descend = |from: &std::path::Path, depth: usize| -> Result<()> {
        let mut dir = std::fs::File::open(from)?;
        for _ in 0..depth {
            match rustix::fs::mkdirat(&dir, "d", rustix::fs::Mode::RWXU) {
                Err(rustix::io::Errno::EXIST) => {}
                made => made?,
            }
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
            dir = rustix::fs::openat(&dir, "d", flags, rustix::fs::Mode::empty())?.into();
        }
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir));
        support::shell(path.as_ref(), "touch file; if [ -e gone ]; then rm gone; else touch gone; fi")
    };
    descend(&overlay.lower(1), DEPTH)?;
    let mounted = overlay.mount("u")?;
    descend(mounted.path(), DEPTH)?;
    drop(mounted);
    let mut count = 0;
    let beside = carry::carry(&overlay.layers("u")?, &overlay.layers("again")?)?;
    layerfs::walk(&overlay.layers("again")?, |change| {
        count += 1;
        if let layerfs::Change::Deleted { path, .. } = change {
            assert_eq!(Some(path), beside.deleted.first().map(std::path::PathBuf::as_path));
        }
        Ok::<(), std::io::Error>(())
    })?;
    // The root, all directories, the file, and the deletion.
    assert_eq!((count, beside.deleted.len()), (1 + DEPTH + 1 + 1, 1));
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
