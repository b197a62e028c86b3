//! Memory that comes while the container works: what a program does to it, and no page is ever wrong.

use crate::lab::*;
use crate::lazy::*;

/// In both runtimes, from one archive each.
fn arrives_right(what: &str, mebibytes: usize, threads: usize) {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], what, mebibytes, threads);
        let container = remembered.restore();
        assert_eq!(end_of(&container), End::Right, "{runtime}");
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn one_thread_finds_every_page_as_it_was() {
    arrives_right("check", 256, 1);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn eight_threads_find_every_page_as_it_was() {
    arrives_right("check", 256, 8);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn one_thread_changes_its_memory_while_it_comes() {
    arrives_right("change", 192, 1);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn eight_threads_change_their_memory_while_it_comes() {
    arrives_right("change", 256, 8);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn children_find_every_page_as_it_was() {
    arrives_right("fork", 192, 2);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn four_restores_of_one_archive_at_once_are_all_right() {
    let remembered = Remembered::new(&[], "change", 96, 2);
    let archive = remembered.archive();
    let names = ["first", "second", "third", "fourth"];
    let restores = names.map(|name| start_ckpt(&["restore", "-i", text(&archive), "--lazy=always", "--name", name]));
    let containers = names.map(Container::named);
    restores.into_iter().for_each(|mut restore| assert!(restore.wait().unwrap().success()));
    for container in &containers {
        assert_eq!(end_of(container), End::Right, "{}", container.name);
    }
    assert_no_server_left(&[]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_outlives_three_checkpoints_taken_at_once() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 256, 2);
        remembered.hold();
        for _ in 0..2 {
            remembered.restore().checkpoint_and_remove(&remembered.archive());
        }
        remembered.let_go();
        assert_eq!(end_of(&remembered.restore()), End::Right, "{runtime}");
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_member_of_a_pod_gets_its_memory_later() {
    let before = Pod::create("before");
    let remembered = Remembered::new(&["--pod", "before"], "check", 64, 1);
    before.remove();
    let after = Pod::create("after");
    ckpt(&["restore", "-i", text(&remembered.archive()), "--lazy=always", "--pod", "after", "--name", "member"]);
    let ended = end_of(&Container::named("member"));
    after.remove();
    assert_eq!(ended, End::Right);
    assert_no_server_left(&[]);
}

/// Its CRIU would take what has not come for pages that were never there.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn podman_itself_makes_no_checkpoint_meanwhile() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 256, 1);
        remembered.hold();
        let (container, stopped) = remembered.restore_and_stop_server();
        let stopped = stopped.once_occupied(&container);
        let theirs = remembered.folder.path().join("theirs.tar");
        let checkpoint = ["container", "checkpoint", &container.name, "-e", text(&theirs)];
        assert!(!run("podman", &checkpoint).status.success());
        assert!(container.is_running() && frozen_tasks(&container).is_empty());
        drop(stopped);
        assert_no_server_left(&[]);
        podman(&checkpoint);
        container.remove();
        remembered.let_go();
        ckpt(&["restore", "-i", text(&theirs)]);
        assert_eq!(end_of(&container), End::Right, "{runtime}");
    }
}
