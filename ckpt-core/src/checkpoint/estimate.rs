//! Estimates, before the container is frozen, what has to be done while it stands still, and how long that will take.
//!
//! ```text
//! each tree ─ census: names, bytes that are copied, extents ─┬─ × rates ─ time
//!            └ some of it taken into the draft: rates ───────┘
//! ```

mod census;
mod dirty;
mod tree;
mod trial;

use std::io;
use std::time::Duration;

use super::passes::Rehearsal;
use super::plan::CheckpointPlan;
use super::volume::Transfer;
use census::{Census, Fate};
use tree::look;
use trial::{Rates, Tree};

/// Memory at /dev/shm is always copied; less than this is not worth a word, bytes.
const LITTLE_MEMORY: u64 = 64 << 20;

/// As is a file that cannot be cloned.
const LITTLE_NODATACOW: u64 = 16 << 20;

/// A member's headers take about as much, bytes.
const HEADERS: u64 = 1 << 10;

/// Fewer extents than these are cloned in some ten milliseconds.
const FEW_EXTENTS: u64 = 10_000;

/// The work for which the container will wait.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    reasons: Vec<String>,
    pub(super) copied_bytes: u64,
    /// What is written to the draft, small files and headers included.
    pub(super) written_bytes: u64,
    /// Copied before.
    beforehand_bytes: u64,
    extents: u64,
    /// How long the files will take.
    pub(super) time: Duration,
    /// Of that, those that are cloned.
    cloned_time: Duration,
}

impl Estimate {
    /// What is to be expected now; the container still runs, and changes it.
    pub(super) fn make(plan: &CheckpointPlan, ignore_rootfs: bool) -> io::Result<Self> {
        let mut headroom = dirty::headroom().unwrap_or(u64::MAX);
        let mut estimate = Estimate::default();
        estimate.reasons.extend(plan.copied_for.map(str::to_owned));
        if !ignore_rootfs {
            let fate = if plan.can_clone() { Fate::Cloned } else { Fate::Copied };
            let (census, rates) = look(Tree::Diff(&plan.layers), plan.draft(), fate, headroom)?;
            let time = estimate.add("the container", census, &rates, &mut headroom);
            estimate.cloned_time += if fate == Fate::Cloned { time } else { Duration::ZERO };
        }
        for volume in &plan.volumes {
            let (fate, target) = match &volume.transfer {
                Transfer::Clone => (Fate::Cloned, plan.draft()),
                Transfer::Stage(stage) => (Fate::Cloned, stage),
                Transfer::Copy => (Fate::Copied, plan.draft()),
            };
            if fate == Fate::Copied && plan.can_clone() {
                estimate.reasons.push(format!("the volume {} lies where nothing can be cloned", volume.name));
            }
            let (census, rates) = look(Tree::Whole(&volume.source), target, fate, headroom)?;
            let time = estimate.add(&format!("the volume {}", volume.name), census, &rates, &mut headroom);
            estimate.cloned_time += if fate == Fate::Cloned { time } else { Duration::ZERO };
        }
        if let Some(shm) = &plan.shm {
            let (census, rates) = look(Tree::Whole(shm), plan.draft(), Fate::Copied, headroom)?;
            if census.copied_bytes > LITTLE_MEMORY {
                estimate.reasons.push("/dev/shm is memory".into());
            }
            estimate.add("/dev/shm", census, &rates, &mut headroom);
        }
        Ok(estimate)
    }

    /// What the passes before the freeze have shown counts more than a trial.
    pub(super) fn rehearsed(&mut self, rehearsal: &Rehearsal) {
        self.beforehand_bytes = rehearsal.copied_bytes;
        (self.copied_bytes, self.time) = (rehearsal.last_copied_bytes, self.cloned_time + rehearsal.last_took);
    }

    /// Gives how long this will take.
    fn add(&mut self, what: &str, census: Census, rates: &Rates, headroom: &mut u64) -> Duration {
        if census.nodatacow_bytes > LITTLE_NODATACOW {
            self.reasons.push(format!("{what} has files without copy-on-write (chattr +C), which cannot be cloned"));
        }
        if census.extents > FEW_EXTENTS {
            self.reasons.push(format!("files of {what} are in {} pieces (extents)", census.extents));
        }
        self.copied_bytes += census.told_bytes;
        self.written_bytes += census.copied_bytes + census.names * HEADERS;
        self.extents += census.extents;
        let time = rates.time(&census, headroom);
        self.time += time;
        time
    }

    /// The warning, if there is one to give: `None` where everything large is cloned in a moment.
    pub(super) fn warning(&self) -> Option<String> {
        if self.reasons.is_empty() {
            return None;
        }
        let (megabytes, seconds) = (self.copied_bytes as f64 / 1e6, self.time.as_secs_f64());
        let cloned = (self.extents > FEW_EXTENTS).then(|| format!("{} extents are cloned", self.extents));
        let is_copied = self.copied_bytes > 0 || cloned.is_none();
        let copied = is_copied.then(|| format!("{megabytes:.1} MB are copied"));
        let beforehand = match self.beforehand_bytes {
            0 => String::new(),
            bytes => format!("{:.1} MB were copied beforehand, ", bytes as f64 / 1e6),
        };
        let work: Vec<_> = copied.into_iter().chain(cloned).collect();
        let (reasons, work) = (self.reasons.join("; "), work.join(" and "));
        Some(format!("{reasons}: {beforehand}{work} while the container is frozen, some {seconds:.1} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_beforehand_is_told_with_the_rest() {
        let mut estimate = Estimate { reasons: vec!["no reflink".into()], ..Estimate::default() };
        let (copied_bytes, last_copied_bytes, last_took) = (1_000_000_000, 2_500_000, Duration::from_millis(150));
        estimate.rehearsed(&Rehearsal { copied_bytes, last_copied_bytes, last_took });
        let told =
            "no reflink: 1000.0 MB were copied beforehand, 2.5 MB are copied while the container is frozen, some 0.1 s";
        assert_eq!(estimate.warning().unwrap(), told);
    }

    const RATES: Rates =
        Rates { name: Duration::from_micros(20), extent: Duration::from_micros(5), byte: 1e-9, byte_on_disk: 1e-8 };

    #[test]
    fn the_time_is_that_of_all_parts() {
        let census = |names, copied_bytes, extents| Census { names, copied_bytes, extents, ..Census::default() };
        let cases = [
            (census(0, 0, 0), 0, 0),
            (census(50_000, 0, 0), 1000, 0),
            (census(0, 0, 20_000), 100, 0),
            (census(0, 400_000_000, 0), 400, 400_000_000),
            // What goes beyond the headroom of 1 GB waits for the disk.
            (census(0, 1_500_000_000, 0), 6000, 1_000_000_000),
            (census(50_000, 1_500_000_000, 20_000), 7100, 1_000_000_000),
        ];
        for (census, milliseconds, used) in cases {
            let mut headroom = 1_000_000_000;
            let time = RATES.time(&census, &mut headroom);
            assert_eq!((time.as_millis(), headroom), (milliseconds, 1_000_000_000 - used), "{census:?}");
        }
    }

    #[test]
    fn a_warning_tells_its_reasons() {
        let told = |censuses: &[Census]| {
            let (mut estimate, mut headroom) = (Estimate::default(), u64::MAX);
            for census in censuses {
                estimate.add("the volume v", *census, &RATES, &mut headroom);
            }
            estimate.warning()
        };
        let quick = Census { names: 100_000, extents: 500, ..Census::default() };
        assert_eq!(told(&[quick]), None);
        let ragged = Census { extents: 240_000, ..Census::default() };
        assert_eq!(
            told(&[ragged]).unwrap(),
            "files of the volume v are in 240000 pieces (extents): 240000 extents are cloned while the container is \
             frozen, some 1.2 s"
        );
        let bytes = 1_000_000_000;
        let nodatacow = Census { told_bytes: bytes, copied_bytes: bytes, nodatacow_bytes: bytes, ..Census::default() };
        assert_eq!(
            told(&[quick, nodatacow]).unwrap(),
            "the volume v has files without copy-on-write (chattr +C), which cannot be cloned: 1000.0 MB are copied while \
             the container is frozen, some 3.0 s"
        );
    }
}
