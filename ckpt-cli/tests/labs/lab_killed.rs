//! SIGKILL at random moments, to everyone who takes part: no container is lost, no archive is a half one, and the next
//! run leaves nothing of the dead one.
//!
//! A round chooses who is hit and in which phase, waits until that phase has begun, and a random while longer.

use std::path::Path;

use crate::kill::*;
use crate::lab::*;

/// Kills in each test; the rounds alternate between the runtimes.
const KILLS: usize = 104;

/// As long as a phase has not been hit by those, more strikes are aimed at it alone; by then it must have been.
const ROUNDS: usize = 10 * KILLS;

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_checkpoints_can_be_killed_at_any_moment() {
    // Enough files for the frozen moment to be long enough to hit.
    let fill = "mkdir /srv/many; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i > /srv/many/$i; done";
    checkpoints_can_be_killed(COUNT, fill, KILLS, 1);
}

/// What changes between the passes is moved once the container runs again.
const CHANGE: &str = r#"
while :; do tail -c +2 /srv/1 > /srv/3; mv /srv/3 /srv/1; cp /srv/1 /srv/2; sleep 0.05; done &
i=0
while :; do i=$((i+1)); echo $i; sleep 0.05; done
"#;
const FILL: &str = "for file in 1 5 6; do head -c 12000000 /dev/urandom > /srv/$file; done";

/// Longer than where all is cloned.
const LONGER: u32 = 5;

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_checkpoints_in_passes_can_be_killed_in_each_phase() {
    checkpoints_can_be_killed(CHANGE, FILL, 0, LONGER);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn long_ext4_checkpoints_in_passes_can_be_killed_at_any_moment() {
    checkpoints_can_be_killed(CHANGE, FILL, KILLS, LONGER);
}

/// At least as many `kills`, and one in each phase, whose delays are `longer` than usual.
fn checkpoints_can_be_killed(script: &str, fill: &str, kills: usize, longer: u32) {
    let folder = folder();
    let mut dice = Dice::thrown();
    let mut tally = Tally::default();
    let containers = RUNTIMES.map(|runtime| {
        let container = Container::run(&format!("doomed-{runtime}"), &["--runtime", runtime], script);
        container.exec(fill);
        container
    });
    let before = World::at_rest(folder.path());
    let _evidence = Evidence;
    for round in 0.. {
        let phases =
            if tally.hits() < kills { Phase::OF_CHECKPOINT.to_vec() } else { tally.missing(&Phase::OF_CHECKPOINT) };
        if phases.is_empty() {
            break;
        }
        assert!(round < ROUNDS, "no strike hits {phases:?}: {tally:?}");
        let container = &containers[round % 2];
        let archive = folder.path().join(format!("{round}.tar"));
        let options: &[&str] = if dice.below(4) == 0 { &["--leave-running"] } else { &[] };
        let arguments = [&["checkpoint", &container.name, "-e", text(&archive)], options].concat();
        let strike = Strike::drawn(&mut dice, &phases).later(longer);
        println!("round {round}: {} {options:?}, {strike:?}", container.name);
        let hit = strike.at(&arguments, &container.name);
        tally.count(hit);
        run_the_next();
        if archive.exists() {
            ckpt(&["verify", text(&archive)]);
            ckpt(&["inspect", text(&archive)]);
            std::fs::remove_file(&archive).unwrap();
        }
        bring_back(container);
        assert_runs(container);
        before.assert_same(folder.path());
    }
    println!("{tally:?}");
}

/// A stopped container can be restored in place.
fn bring_back(container: &Container) {
    if !container.goes_on() {
        container.restore_in_place();
    }
}

/// One with a file, and one that stays empty.
const VOLUMES: [&str; 2] = ["doomed-data", "doomed-empty"];

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_restores_can_be_killed_at_any_moment() {
    let folder = folder();
    let mut dice = Dice::thrown();
    let mut tally = Tally::default();
    let archives = RUNTIMES.map(|runtime| archive_with_volume(runtime, folder.path()));
    let before = World::at_rest(folder.path());
    let _evidence = Evidence;
    for round in 0.. {
        let phases = if tally.hits() < KILLS { Phase::OF_RESTORE.to_vec() } else { tally.missing(&Phase::OF_RESTORE) };
        if phases.is_empty() {
            break;
        }
        assert!(round < ROUNDS, "no strike hits {phases:?}: {tally:?}");
        let (name, archive) = &archives[round % 2];
        let clone = format!("{name}-clone");
        let (container, options) = match dice.below(2) {
            0 => (Container::named(name), vec![]),
            _ => (Container::named(&clone), vec!["--name", &clone]),
        };
        let arguments = [&["restore", "-i", archive], &options[..]].concat();
        let strike = Strike::drawn(&mut dice, &phases);
        println!("round {round}: {}, {strike:?}", container.name);
        let hit = strike.at(&arguments, &container.name);
        tally.count(hit);
        run_the_next();
        let volumes = VOLUMES.map(Volume::named);
        if podman(&["ps", "--all", "--external", "--format", "{{.Names}}"]).is_empty() {
            assert_eq!(podman(&["volume", "ls", "--format", "{{.Name}}"]), "");
            before.assert_same(folder.path());
            if round % 8 != 0 {
                continue;
            }
            ckpt(&arguments);
        }
        assert_runs(&container);
        assert_eq!(container.exec("cat /data/file"), "precious");
        drop((container, volumes));
        before.assert_same(folder.path());
    }
    println!("{tally:?}");
}

fn archive_with_volume(runtime: &str, folder: &Path) -> (String, String) {
    let name = format!("doomed-{runtime}");
    let archive = folder.join(format!("{runtime}.tar"));
    let volumes = VOLUMES.map(Volume::named);
    let mounts = ["-v", "doomed-data:/data", "-v", "doomed-empty:/empty"];
    let original = Container::run(&name, &[&["--runtime", runtime], &mounts[..]].concat(), COUNT);
    original.exec("echo precious > /data/file");
    ckpt(&["checkpoint", &name, "-e", text(&archive)]);
    drop((original, volumes));
    (name, text(&archive).to_owned())
}

/// Any run that changes things puts right what a dead one left, also one that itself comes to nothing.
fn run_the_next() {
    ckpt_fails(&["restore", "-i", "/nonexistent"]);
}

/// It counts, with no number missing, and none of its tasks is stopped.
fn assert_runs(container: &Container) {
    assert!(container.is_running(), "{}", container.inspect("{{json .State}}"));
    assert_eq!(frozen_tasks(container), Vec::<String>::new());
    let count = container.numbers().len();
    assert_consecutive(&container.wait_for_numbers(count + 1));
}
