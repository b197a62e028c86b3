//! Random changes on random overlays, some of them between and during the passes of a checkpoint: what comes back is the
//! tree of the last pass.
//!
//! `PROPTEST_RNG_SEED=N` repeats a run, `PROPTEST_CASES=N` makes it longer or shorter.

#[path = "../../layerfs/tests/support/mod.rs"]
mod support;

#[allow(dead_code)]
mod carry;
#[allow(dead_code)]
mod random;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aligntar::{ClonePolicy, WriteOptions, Writer};
use anyhow::{Context, Result, anyhow};
use ckpt_core::progress::Silent;
use ckpt_core::rootfs::{Supplement, capture_diff, capture_in_motion};
use layerfs::Layers;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use random::change::{Change, changes};
use random::sequence::{Sequence, sequences};
use support::overlay::Overlay;

/// Sequences of each test.
const SEQUENCES: u32 = 40;

/// Of each long one, 1,050 in all.
const MANY_SEQUENCES: u32 = 350;

/// Any number will do; a fixed one makes every run the same.
const SEED: u64 = 18;

/// Sequences so far.
static COUNT: AtomicUsize = AtomicUsize::new(0);

macro_rules! random_passes {
    ($($filesystem:literal, $options:literal, $count:ident => $name:ident;)*) => {$(
        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $name() -> Result<()> {
            run($filesystem, $options, $count)
        }
    )*};
}

random_passes! {
    "/mnt/ext4", "", SEQUENCES => privileged_ext4_random_changes_come_back_from_passes;
    "/dev/shm", "", SEQUENCES => privileged_tmpfs_random_changes_come_back_from_passes;
    "/mnt/ext4", "", MANY_SEQUENCES => long_ext4_random_changes_come_back_from_passes;
    "/mnt/ext4", "metacopy=on,redirect_dir=on", MANY_SEQUENCES => long_ext4_random_changes_come_back_from_passes_with_metacopy;
    "/dev/shm", "", MANY_SEQUENCES => long_tmpfs_random_changes_come_back_from_passes;
}

/// What happens to an upper layer that is taken in passes.
#[derive(Clone, Debug)]
struct InPasses {
    layers: Sequence,
    /// After the first pass.
    between: Vec<Change>,
    /// While a second one is made, and perhaps before or after it.
    during: Vec<Change>,
}

fn in_passes() -> impl Strategy<Value = InPasses> {
    let parts = (sequences(), vec(changes(), 0..20), vec(changes(), 0..40));
    parts.prop_map(|(layers, between, during)| InPasses { layers, between, during })
}

fn run(filesystem: &str, options: &str, sequences: u32) -> Result<()> {
    let defaults = Config::default();
    let seed = if defaults.rng_seed == RngSeed::Random { RngSeed::Fixed(SEED) } else { defaults.rng_seed };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { defaults.cases } else { sequences };
    let config = Config { cases, rng_seed: seed, failure_persistence: None, max_shrink_iters: 100, ..defaults };
    let fail = |error: anyhow::Error| TestCaseError::fail(format!("{error:#}"));
    TestRunner::new(config)
        .run(&in_passes(), |sequence| check(filesystem, options, &sequence).map_err(fail))
        .map_err(|error| anyhow!("PROPTEST_RNG_SEED={seed}: {error}"))
}

fn check(filesystem: &str, options: &str, InPasses { layers, between, during }: &InPasses) -> Result<()> {
    let overlay = Overlay::new(filesystem, layers.lowers.len(), options)?;
    let links_in_lowers = !options.contains("redirect_dir");
    for (index, changes) in layers.lowers.iter().enumerate() {
        // A renamed directory's content is copied, so that a link to a file elsewhere in the image is none any more.
        let changes = changes.iter().filter(|change| links_in_lowers || !change.is_link());
        changes.for_each(|change| change.make(&overlay.lower(index)));
    }
    let mounted = overlay.mount("u")?;
    let make = |changes: &[Change]| changes.iter().for_each(|change| change.make(mounted.path()));
    make(&layers.upper);
    // What has changed just now counts as changing still, so at times that is long ago.
    if COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(12) {
        thread::sleep(Duration::from_millis(2100));
    }
    let source = overlay.layers("u")?;
    let archive = tempfile::tempfile_in(filesystem)?;
    let mut writer = Writer::new(&archive, WriteOptions::default())?;
    pass(&source, &mut writer)?;
    make(between);
    thread::scope(|scope| {
        scope.spawn(|| make(during));
        pass(&source, &mut writer)
    })?;
    drop(mounted);
    let supplement = last_pass(&source, writer)?;
    carry::place(&archive, &supplement, &overlay.layers("again")?, ClonePolicy::IfPossible)?;
    // Of small files that are copied, holes are copied as well.
    let counts = |difference: &str| !difference.ends_with("is no hole any more");
    random::round_trip::compare(&overlay, "u", "again", &supplement, counts)
}

fn pass(layers: &Layers, writer: &mut Writer<'_>) -> Result<()> {
    writer.begin_pass()?;
    Ok(capture_in_motion(&layers.upperdir, Some(layers.xattr_ns), &|| false, writer, &mut Silent)?)
}

fn last_pass(layers: &Layers, mut writer: Writer<'_>) -> Result<Supplement> {
    writer.begin_last_pass()?;
    let supplement = capture_diff(layers, &mut writer, &mut Silent).context("capture")?;
    writer.finish()?;
    Ok(supplement)
}
