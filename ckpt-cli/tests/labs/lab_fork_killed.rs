//! SIGKILL at a random moment of a fork: each copy runs or is gone, the original goes on, and the next run leaves nothing
//! of the dead one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kill::{Dice, Evidence};
use crate::lab::*;

const COPIES: u32 = 4;
const FORK: [&str; 5] = ["fork", "killed", "--count", "4", "--lazy=always"];

/// The copies that there may be, whose volumes are removed with this value.
struct Copies {
    containers: Vec<Container>,
    volumes: Vec<Volume>,
}

impl Copies {
    fn of_killed() -> Self {
        let numbered = (1..=COPIES).map(|number| format!("killed-{number}"));
        let names = numbered.chain(["killed-next".to_owned()]);
        let containers: Vec<_> = names.map(|name| Container::named(&name)).collect();
        let volumes = containers.iter().map(|copy| Volume::named(&format!("killed-data-{}", copy.name))).collect();
        Copies { containers, volumes }
    }

    /// Those that are there, all of which run, with the files of their volumes.
    fn assert_whole(&self) -> Vec<&Container> {
        let listed = podman(&["ps", "--all", "--external", "--format", "{{.Names}}"]);
        let there: Vec<_> =
            self.containers.iter().filter(|copy| listed.lines().any(|name| name == copy.name)).collect();
        assert_eq!(listed.lines().count(), there.len() + 1, "{listed}");
        for copy in &there {
            let why = || format!("{}: {}\n{}", copy.name, copy.inspect("{{json .State}}"), ckpt(&["lazy"]));
            assert!(copy.goes_on(), "{}", why());
            assert_eq!(copy.exec("cat /data/file"), "precious", "{}", copy.name);
            assert_eq!(frozen_tasks(copy), Vec::<String>::new());
        }
        let mut volumes: Vec<_> = there.iter().map(|copy| format!("killed-data-{}", copy.name)).collect();
        volumes.insert(0, "killed-data".to_owned());
        let listed = podman(&["volume", "ls", "--format", "{{.Name}}"]);
        let mut listed: Vec<_> = listed.lines().collect();
        listed.sort_unstable();
        assert_eq!(listed, volumes);
        there
    }

    fn remove(&self) {
        for (container, volume) in self.containers.iter().zip(&self.volumes) {
            podman(&["rm", "--force", "--ignore", "--time", "0", &container.name]);
            podman(&["volume", "rm", "--force", &volume.name]);
        }
    }
}

/// When a fork is killed.
#[derive(Debug)]
enum Moment {
    After(Duration),
    /// Some time after so many copies are ready: then others are nearly.
    ReadyThen(usize, Duration),
}

impl Moment {
    fn drawn(dice: &mut Dice, whole: Duration) -> Self {
        let mut below = |limit: Duration| Duration::from_micros(dice.below(limit.as_micros() as u64));
        match below(Duration::from_micros(2)).is_zero() {
            true => Moment::After(below(whole)),
            false => {
                let ready = 1 + below(Duration::from_micros(u64::from(COPIES))).as_micros() as usize;
                Moment::ReadyThen(ready, below(Duration::from_millis(100)))
            }
        }
    }

    /// Runs a fork that is killed then, unless it has ended before.
    fn strike(&self) {
        let mut fork = Command::new(env!("CARGO_BIN_EXE_ckpt"))
            .args(FORK)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let delay = match *self {
            Moment::After(delay) => delay,
            Moment::ReadyThen(ready, delay) => {
                let lines = BufReader::new(fork.stdout.take().unwrap()).lines();
                assert_eq!(lines.take(ready).count(), ready);
                delay
            }
        };
        sleep(delay);
        kill(&mut fork, &[]);
    }
}

fn forks_can_be_killed(runtime: &str, kills: u32) {
    let folder = folder();
    let mut dice = Dice::thrown();
    let _volume = Volume::named("killed-data");
    let copies = Copies::of_killed();
    let original = Container::run("killed", &["--runtime", runtime, "-v", "killed-data:/data"], COUNT);
    original.exec("echo precious > /data/file");
    let archive = folder.path().join("x.tar");
    ckpt(&["checkpoint", "killed", "-R", "-e", text(&archive)]);
    let before = World::at_rest(folder.path());
    let _evidence = Evidence;
    let begun = Instant::now();
    ckpt(&FORK);
    let whole = begun.elapsed();
    copies.assert_whole();
    copies.remove();
    for round in 0..kills {
        let moment = Moment::drawn(&mut dice, whole);
        moment.strike();
        let said = match round % 2 {
            0 => ckpt(&["restore", "-i", text(&archive), "--count", "1", "--name", "killed-next"]),
            _ => ckpt_fails(&["restore", "-i", "/nonexistent"]),
        };
        println!("round {round}: {moment:?} of {whole:?}; the next run: {said}");
        let there: Vec<_> = copies.assert_whole().iter().map(|copy| &copy.name).collect();
        println!("{there:?}");
        assert!(original.goes_on());
        copies.remove();
        before.assert_same(folder.path());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_forks_can_be_killed_at_any_moment() {
    forks_can_be_killed("crun", 5);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn long_btrfs_forks_of_crun_can_be_killed_a_hundred_times() {
    forks_can_be_killed("crun", 104);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn long_xfs_forks_of_runc_can_be_killed_a_hundred_times() {
    forks_can_be_killed("runc", 104);
}
