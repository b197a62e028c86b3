//! `ckpt --url` and its service, killed at random moments. The container runs on, or its archive has its name.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kill::Dice;
use crate::lab::*;
use crate::served::*;
use rustix::process::Signal;

fn are_killed(rounds: u64) {
    let mut member = Member::begin();
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    let other = member.folder.parent().unwrap().join("web.tar");
    ckpt(&["checkpoint", "web", "-R", "-e", text(&other)]);
    member.give(&other, "own.tar", UID, 0o600);
    // What a restored container has for a layer is called otherwise than before.
    web.remove();
    member.served.end();
    let world = World::at_rest(&member.folder);
    member.served.restart_with(|_| {});
    member.ckpt_succeeds(&["restore", "-i", "own.tar"]);
    let archive = member.file("x.tar");
    let started = Instant::now();
    member.ckpt_succeeds(&["checkpoint", "web", "-R", "-e", "x.tar"]);
    let whole = started.elapsed().as_millis() as u64;
    let mut dice = Dice::thrown();
    let (mut named, mut undone) = (0, 0);
    for round in 0..rounds {
        let is_checkpoint = round % 3 != 2;
        let arguments = match is_checkpoint {
            true => &["checkpoint", "web", "-e", "x.tar"][..],
            false => &["restore", "-i", "own.tar", "-n", "again"],
        };
        let mut client = member.ckpt(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(dice.below(whole)));
        if round % 2 == 0 {
            client.kill().unwrap();
        } else {
            member.served.signal(Signal::KILL);
        }
        client.wait().unwrap();
        wait_for("the work to end", || (!run("pgrep", &["-f", "^ckpt served$"]).status.success()).then_some(()));
        member.served.restart_with(|_| {});
        // The next run puts right what a killed podman may have left.
        ckpt_fails(&["restore", "-i", "/nonexistent"]);
        if is_checkpoint {
            if web.is_running() {
                undone += 1;
            } else {
                // Then somebody has it.
                named += 1;
                web.remove();
                member.ckpt_succeeds(&["restore", "-i", "x.tar"]);
            }
        }
        run("podman", &["rm", "-f", "-i", "-t", "0", "again"]);
        let _ = fs::remove_file(&archive);
        assert!(web.goes_on(), "round {round}");
        assert_eq!(frozen_tasks(&web), [""; 0]);
    }
    println!("{named} named, {undone} undone");
    assert!(undone > 0, "nobody was killed in time");
    assert_consecutive(&web.numbers());
    web.remove();
    member.served.end();
    world.assert_same(&member.folder);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_whoever_is_killed_no_container_is_lost() {
    are_killed(6);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test --long"]
fn long_btrfs_whoever_is_killed_often_no_container_is_lost() {
    are_killed(60);
}
