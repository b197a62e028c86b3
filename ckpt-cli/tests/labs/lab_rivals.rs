//! Others who work on the same container at the same time.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::lab::*;

/// Whole, if it is there; gives whether it is.
fn is_whole(archive: &Path) -> bool {
    let there = archive.exists();
    if there {
        ckpt(&["verify", text(archive)]);
        ckpt(&["inspect", text(archive)]);
        fs::remove_file(archive).unwrap();
    }
    there
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_two_checkpoints_of_one_container() {
    let folder = folder();
    let container = Container::run("wanted-twice", &[], COUNT);
    for round in 0..4 {
        let archives = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
        let mut rivals = archives.each_ref().map(|archive| {
            sleep(Duration::from_millis(20 * round));
            start_ckpt(&["checkpoint", "wanted-twice", "-e", text(archive)])
        });
        let won = rivals.each_mut().map(|rival| rival.wait().unwrap().success());
        assert_eq!(archives.each_ref().map(|archive| is_whole(archive)), won);
        assert!(won.contains(&true));
        if !container.is_running() {
            container.restore_in_place();
        }
        assert_consecutive(&container.numbers());
    }
}

/// What somebody may do to a container while it is checkpointed.
const ENDS: [&[&str]; 3] = [&["stop", "--time", "0"], &["kill"], &["rm", "--force", "--time", "0"]];

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_ended_or_removed_meanwhile() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for (round, end) in ENDS.into_iter().cycle().take(9).enumerate() {
        let container = Container::run("ended", &["--runtime", RUNTIMES[round % 2]], COUNT);
        let mut checkpoint = start_ckpt(&["checkpoint", "ended", "-e", text(&archive)]);
        sleep(Duration::from_millis(30 * round as u64));
        // Too late, it finds nothing to end.
        run("podman", &[end, &["ended"]].concat());
        let succeeded = checkpoint.wait().unwrap().success();
        assert_eq!(is_whole(&archive), succeeded, "{end:?} in round {round}");
        assert_nothing_left(folder.path());
        drop(container);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_exits_meanwhile() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for round in 0..8 {
        let script = format!("sleep 0.{}", 2 + round);
        let container = Container::run("exiting", &["--runtime", RUNTIMES[round % 2]], &script);
        let succeeded = start_ckpt(&["checkpoint", "exiting", "-e", text(&archive)]).wait().unwrap().success();
        assert_eq!(is_whole(&archive), succeeded, "in round {round}");
        assert_nothing_left(folder.path());
        drop(container);
    }
}

fn assert_nothing_left(folder: &Path) {
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    let sessions = fs::read_dir("/run/ckpt/sessions").unwrap().flatten().map(|entry| entry.file_name());
    // These two are for all.
    let sessions = sessions.filter(|name| name != "tmp" && name != "memory");
    let left: Vec<_> = sessions.filter(|name| !name.to_string_lossy().contains('.')).collect();
    assert!(left.is_empty(), "{left:?}");
}
