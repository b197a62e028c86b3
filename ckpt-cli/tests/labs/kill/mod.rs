//! Strikes: who is killed, and in which phase.

mod phase;

use std::collections::BTreeMap;
use std::io::Seek;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use phase::Phase;

/// SplitMix64: numbers that a seed brings back.
pub(crate) struct Dice(u64);

impl Dice {
    /// With the seed CKPT_SEED, or one of the moment.
    pub(crate) fn thrown() -> Self {
        let moment = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = std::env::var("CKPT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(moment);
        println!("CKPT_SEED={seed}");
        Dice(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Shows, if the test fails, what runs at that moment and what it waits for.
pub(crate) struct Evidence;

impl Drop for Evidence {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", crate::lab::process_table());
        }
    }
}

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Ckpt,
    Podman,
    Hook,
    Criu,
    /// `ckpt`, podman, the hook and CRIU at once, as by a machine out of memory.
    All,
}

/// One kill to come.
#[derive(Debug)]
pub(crate) struct Strike {
    victim: Victim,
    phase: Phase,
    delay: Duration,
}

impl Strike {
    /// Victim, phase and moment by lot. Hook and CRIU are not there in every phase: they are hit in theirs.
    pub(crate) fn drawn(dice: &mut Dice, phases: &[Phase]) -> Self {
        let victim = [Victim::Ckpt, Victim::Podman, Victim::Hook, Victim::Criu, Victim::All][dice.below(5) as usize];
        let its: Vec<Phase> = phases.iter().copied().filter(|phase| phase.has(victim)).collect();
        let (victim, phases) = if its.is_empty() { (Victim::Ckpt, phases) } else { (victim, &its[..]) };
        let phase = phases[dice.below(phases.len() as u64) as usize];
        // Phases are shorter on one machine than on another: half of the strikes come as they begin.
        let delay = dice.below(2) * dice.below(phase.usual_length().as_micros() as u64);
        Strike { victim, phase, delay: Duration::from_micros(delay) }
    }

    /// The same with a longer delay.
    pub(crate) fn later(self, factor: u32) -> Self {
        Strike { delay: self.delay * factor, ..self }
    }

    /// Runs `ckpt` with `arguments` and strikes; gives who was hit in which phase, if the phase came at all.
    pub(crate) fn at(&self, arguments: &[&str], container: &str) -> Option<(Victim, Phase)> {
        let mut said = tempfile::tempfile().unwrap();
        let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(said.try_clone().unwrap())
            .spawn()
            .unwrap();
        let watch = phase::Watch::of(&ckpt, container);
        let mut hit = None;
        while ckpt.try_wait().unwrap().is_none() {
            if watch.phase() >= Some(self.phase) {
                sleep(self.delay);
                let phase = watch.phase();
                // If the one that was meant is gone already, its master is hit.
                let (victim, victims) = match watch.pids(self.victim) {
                    none if none.is_empty() => (Victim::Ckpt, watch.pids(Victim::Ckpt)),
                    some => (self.victim, some),
                };
                let killed =
                    victims.iter().filter(|&&pid| kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).is_ok());
                let killed = killed.count();
                // A zombie can be killed as well, but feels nothing.
                let was_done = victim == Victim::Ckpt && ckpt.wait().unwrap().code().is_some();
                hit = phase.filter(|_| killed > 0 && !was_done).map(|phase| (victim, phase));
                break;
            }
            sleep(Duration::from_micros(500));
        }
        ckpt.wait().unwrap();
        said.rewind().unwrap();
        println!("{hit:?}: {}", std::io::read_to_string(said).unwrap().trim_end());
        hit
    }
}

/// How often whom and in which phase.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    hits: BTreeMap<(Victim, Phase), usize>,
    /// Runs that were done before.
    missed: usize,
}

impl Tally {
    pub(crate) fn count(&mut self, hit: Option<(Victim, Phase)>) {
        match hit {
            Some(hit) => *self.hits.entry(hit).or_default() += 1,
            None => self.missed += 1,
        }
    }

    pub(crate) fn hits(&self) -> usize {
        self.hits.values().sum()
    }

    /// Those of `phases` that no strike has hit.
    pub(crate) fn missing(&self, phases: &[Phase]) -> Vec<Phase> {
        let is_hit = |phase: &Phase| self.hits.keys().any(|(_, hit)| hit == phase);
        phases.iter().copied().filter(|phase| !is_hit(phase)).collect()
    }
}
