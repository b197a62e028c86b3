//! Server and keeper are killed at random moments: the program has right memory, or is dead.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use crate::lab::{Checkpointed, program_is_alive, server_is_alive};
use anyhow::{Result, bail, ensure};
use criu_pages::{State, Status};
use rustix::process::{Pid, Signal, kill_process};

/// The same numbers each time, although not the same moments.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }

    fn pause(&mut self, microseconds: u64) {
        thread::sleep(Duration::from_micros(self.below(microseconds)));
    }
}

/// Says whether there was somebody to kill.
fn kill(pid: u32) -> bool {
    let is_there = server_is_alive(pid);
    if is_there && let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        let _ = kill_process(pid, Signal::KILL);
    }
    is_there
}

/// How restores ended.
#[derive(Debug, Default)]
struct Ends {
    kills: usize,
    right: usize,
    dead: usize,
    /// Why those are dead.
    reasons: BTreeSet<String>,
}

impl Ends {
    /// While nobody serves, threads wait longer, and more of them change what others wait for: where the order in which
    /// they did cannot be known, the program is killed.
    fn are_right_or_doubtful(&self) -> bool {
        self.right > self.dead
            && self.reasons.iter().all(|reason| reason.contains("threads changed the mappings there"))
    }
}

/// Restores until there were `wanted` kills, up to four in each restore, and checks how the program ends.
fn rounds(what: &str, wanted: usize, seed: u64, choose: impl Fn(&Status, &mut Random) -> usize) -> Result<Ends> {
    let checkpointed = Checkpointed::of(what, 96, 2)?;
    let mut random = Random(seed);
    let mut ends = Ends::default();
    while ends.kills < wanted {
        let restored = checkpointed.restore()?;
        for _ in 0..=random.below(4) {
            random.pause(25_000);
            let status = restored.serving.status().read()?;
            if !status.state.is_final() {
                ends.kills += choose(&status, &mut random);
            }
        }
        let status = restored.serving.status().wait()?;
        match (restored.result()?, status.state) {
            (Some(result), _) if result == "ok" => ends.right += 1,
            (None, State::Failed | State::Lost) => {
                ends.dead += 1;
                ends.reasons.extend(status.reason.clone());
            }
            other => bail!("{other:?} after {ends:?}: {status:?}"),
        }
        ensure!(!program_is_alive(restored.pid));
        let left = restored.left()?;
        ensure!(left.is_empty() || left == ["status"] && status.state != State::Complete, "{left:?}");
    }
    println!("{ends:?}");
    Ok(ends)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_server_that_is_killed_is_replaced() -> Result<()> {
    let ends = rounds("check", 100, 1, |status, _| usize::from(kill(status.processes[0])))?;
    ensure!(ends.dead == 0, "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_keeper_that_is_killed_is_replaced() -> Result<()> {
    let ends = rounds("check", 100, 2, |status, _| usize::from(kill(status.processes[1])))?;
    ensure!(ends.dead == 0, "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_changes_are_known_after_the_server_was_killed() -> Result<()> {
    let ends = rounds("change", 100, 3, |status, _| usize::from(kill(status.processes[0])))?;
    ensure!(ends.are_right_or_doubtful(), "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_after_both_were_killed_some_moments_apart_they_are_replaced() -> Result<()> {
    let ends = rounds("check", 200, 4, |status, random| {
        let first = random.below(2) as usize;
        let killed = kill(status.processes[first]);
        random.pause(1500);
        usize::from(killed) + usize::from(kill(status.processes[1 - first]))
    })?;
    ensure!(ends.dead == 0, "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_when_both_are_killed_at_once_they_are_replaced() -> Result<()> {
    let ends = rounds("change", 100, 5, |status, _| status.processes[..2].iter().filter(|&&pid| kill(pid)).count())?;
    ensure!(ends.are_right_or_doubtful(), "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_without_the_one_in_reserve_a_server_is_replaced() -> Result<()> {
    let ends = rounds("check", 40, 8, |status, random| {
        let killed = kill(status.processes[2]);
        random.pause(1500);
        usize::from(killed) + usize::from(kill(status.processes[0]))
    })?;
    ensure!(ends.dead == 0, "{ends:?}");
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_when_all_are_killed_at_once_the_program_is_killed_too() -> Result<()> {
    let ends = rounds("check", 100, 7, |status, _| {
        let reserve_first = status.processes.into_iter().rev();
        reserve_first.filter(|&pid| kill(pid)).count()
    })?;
    ensure!(ends.dead > 0);
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_what_is_killed_while_criu_restores_ends_the_restore_or_changes_nothing() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 16, 2)?;
    let mut random = Random(6);
    let mut ends = Ends::default();
    while ends.kills < 100 {
        let (restored, killed) = checkpointed.restore_while(|status| {
            random.pause(40_000);
            let status = status.read()?;
            let chosen = random.below(3) as usize;
            Ok(status.processes.into_iter().take(chosen.max(1)).filter(|&pid| kill(pid)).count())
        })?;
        ends.kills += killed;
        let status = restored.serving.status().wait()?;
        match (restored.result()?, status.state) {
            (Some(result), _) if result == "ok" => ends.right += 1,
            (None, State::Failed | State::Lost) if killed > 0 || restored.id_was_taken() => ends.dead += 1,
            other => bail!("{other:?} after {ends:?}: {status:?} {:?}", restored.criu),
        }
        ensure!(restored.criu.status.success() || status.state != State::Complete);
    }
    println!("{ends:?}");
    Ok(())
}
