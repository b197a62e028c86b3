//! Server, keeper and `ckpt` are killed at random moments: the container has right memory, or is dead and it is said why.

use std::fs;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use crate::kill::Dice;
use crate::lab::*;
use crate::lazy::*;
use rustix::process::{Pid, Signal, kill_process};

/// After the servers have begun, a container runs after some 200 ms and has all memory 100 ms later.
const LONGEST: u64 = 350_000;

/// Who is killed, one after the other or at once. Of server and keeper one makes the other anew, and where both are
/// dead, the one in reserve makes them.
const STRIKES: [&[Victim]; 9] = [
    &[Victim::Server],
    &[Victim::Keeper],
    &[Victim::Ckpt],
    &[Victim::Server, Victim::Keeper],
    &[Victim::Keeper, Victim::Server],
    &[Victim::Ckpt, Victim::Server, Victim::Keeper],
    &[Victim::Server, Victim::Ckpt, Victim::Keeper],
    &[Victim::Ckpt, Victim::Server],
    &[Victim::Keeper, Victim::Ckpt],
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Server,
    Keeper,
    Ckpt,
}

impl Victim {
    fn pid(self, id: &str, ckpt: &mut Child) -> Option<Pid> {
        match self {
            Victim::Server => server_of(id, "server"),
            Victim::Keeper => server_of(id, "keeper"),
            Victim::Ckpt => ckpt.try_wait().unwrap().is_none().then(|| Pid::from_child(ckpt)),
        }
    }
}

/// How containers ended.
#[derive(Debug, Default)]
struct Ends {
    hits: usize,
    right: usize,
    dead: usize,
    /// It never ran, as far as podman knows.
    never: usize,
}

/// The container whose servers have begun.
fn begun(ckpt: &mut Child) -> Option<String> {
    loop {
        let ids = fs::read_dir("/run/ckpt/sessions/memory").into_iter().flatten().flatten();
        let mut ids = ids.filter_map(|entry| entry.file_name().into_string().ok());
        if let Some(id) = ids.find(|id| servers_of(id).len() == 2) {
            return Some(id);
        }
        if ckpt.try_wait().unwrap().is_some() {
            return None;
        }
        sleep(Duration::from_micros(500));
    }
}

fn strike(dice: &mut Dice, ckpt: &mut Child) -> usize {
    let Some(id) = begun(ckpt) else { return 0 };
    let mut hits = 0;
    for _ in 0..=dice.below(2) {
        sleep(Duration::from_micros(dice.below(LONGEST)));
        wait_for("both, or none", || (servers_of(&id).len() != 1).then_some(()));
        for victim in STRIKES[dice.below(STRIKES.len() as u64) as usize] {
            sleep(Duration::from_micros(dice.below(2) * dice.below(3000)));
            let pid = victim.pid(&id, ckpt);
            let state = noted(&id, "state");
            if pid.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok()) {
                println!("{victim:?} {pid:?} killed, {state:?}");
                hits += 1;
            }
        }
    }
    hits
}

fn rounds(runtime: &str, what: &str, wanted: usize) {
    let mut dice = Dice::thrown();
    let remembered = Remembered::new(&["--runtime", runtime], what, 128, 2);
    let archive = remembered.archive();
    let world = World::at_rest(remembered.folder.path());
    let mut ends = Ends::default();
    // On a busy machine all of the first may come too early.
    while ends.hits < wanted || (ends.right == 0 || ends.never == 0) && ends.hits < 10 * wanted {
        let mut ckpt = start_ckpt(&["restore", "-i", text(&archive), "--lazy=always"]);
        ends.hits += strike(&mut dice, &mut ckpt);
        let restored = ckpt.wait().unwrap();
        // Whatever a killed one left is put right by the next one.
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        let container = Container::named(remembered.name);
        if run("podman", &["container", "exists", &container.name]).status.success() {
            match (end_of(&container), told(&container.name)) {
                (End::Right, None) => ends.right += 1,
                (End::Dead, Some((state, _))) if state == "lost" => ends.dead += 1,
                other => panic!("{other:?} after {restored}, {ends:?}"),
            }
        } else {
            assert!(!restored.success());
            ends.never += 1;
        }
        assert_eq!(remembered.wrong_pages(), [""; 0], "{ends:?}");
        container.remove();
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        assert_no_server_left(&[]);
        world.assert_same(remembered.folder.path());
    }
    println!("{runtime}: {ends:?}");
    assert!(ends.right > 0 && ends.never > 0);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn after_some_kills_memory_is_right_or_the_container_dead() {
    rounds("crun", "fork", 20);
}

#[test]
#[ignore = "takes minutes, needs podman and CRIU: cargo xtask test --long"]
fn long_after_many_kills_memory_is_right_or_the_container_of_crun_dead() {
    rounds("crun", "fork", 100);
}

#[test]
#[ignore = "takes minutes, needs podman and CRIU: cargo xtask test --long"]
fn long_after_many_kills_memory_is_right_or_the_container_of_runc_dead() {
    rounds("runc", "change", 100);
}
