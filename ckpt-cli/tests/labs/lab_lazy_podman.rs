//! What podman does with a container while its memory comes, and restores that fail.

use std::process::Command;

use crate::lab::*;
use crate::lazy::*;

/// In both runtimes, with a server that stands still until `act` has returned.
fn in_the_middle(act: impl Fn(&Container)) {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 192, 2);
        let (container, stopped) = remembered.restore_and_stop_server();
        act(&container);
        drop(stopped);
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn it_can_be_stopped() {
    in_the_middle(|container| {
        podman(&["stop", "--time", "1", &container.name]);
        assert_eq!(end_of(container), End::Dead);
    });
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn it_can_be_killed_and_removed_and_its_name_is_free() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 192, 2);
        let (container, stopped) = remembered.restore_and_stop_server();
        podman(&["kill", &container.name]);
        container.remove();
        drop(stopped);
        // At once: the servers of the container that was removed may still be there.
        assert_eq!(end_of(&remembered.restore()), End::Right);
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn it_can_be_paused_looked_into_and_read() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 192, 2);
        let (container, stopped) = remembered.restore_and_stop_server();
        podman(&["pause", &container.name]);
        drop(stopped);
        // All comes, whether anybody waits or not.
        assert_no_server_left(&[]);
        podman(&["unpause", &container.name]);
        assert_eq!(end_of(&container), End::Right);
        container.remove();

        let (container, stopped) = remembered.restore_and_stop_server();
        assert_eq!(container.exec("echo works"), "works");
        podman(&["logs", &container.name]);
        drop(stopped);
        assert_eq!(end_of(&container), End::Right);
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn it_can_be_restarted() {
    in_the_middle(|container| {
        // The program begins anew, and fills other memory.
        podman(&["restart", "--time", "0", &container.name]);
        assert_eq!(end_of(container), End::Right);
    });
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_checkpoint_waits_until_all_is_there() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 192, 2);
        remembered.hold();
        let (container, stopped) = remembered.restore_and_stop_server();
        let mut checkpoint = start_ckpt(&["checkpoint", &container.name, "-e", text(&remembered.archive())]);
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(checkpoint.try_wait().unwrap().is_none());
        }
        drop(stopped);
        assert!(checkpoint.wait().unwrap().success());
        container.remove();
        remembered.let_go();
        assert_eq!(end_of(&remembered.restore()), End::Right);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_limit_of_memory_below_what_comes_kills_it() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 192, 2);
        let (container, stopped) = remembered.restore_and_stop_server();
        let group = LittleMemory::new(64 << 20);
        group.take(&container.inspect("{{.State.Pid}}"));
        drop(stopped);
        assert_eq!(end_of(&container), End::Dead);
        assert!(group.kills() > 0);
        assert_no_server_left(&[]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn the_server_works_in_a_small_cgroup() {
    let remembered = Remembered::new(&[], "check", 192, 2);
    let (container, stopped) = remembered.restore_and_stop_server();
    let group = LittleMemory::new(16 << 20);
    for pid in servers_of(&id_of(&container)) {
        group.take(&pid.as_raw_nonzero().to_string());
    }
    drop(stopped);
    assert_eq!(end_of(&container), End::Right);
    assert_no_server_left(&[]);
    assert_eq!(group.kills(), 0);
}

/// CRIU fails after the server has begun, and the server is gone before CRIU comes.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_restore_that_fails_leaves_nothing() {
    for runtime in RUNTIMES {
        let remembered = Remembered::new(&["--runtime", runtime], "check", 64, 2);
        let archive = remembered.archive();
        let failing = broken_criu("exit 1");
        let unserved = broken_criu(&format!("{KILL_SERVERS}\nexec {} \"$@\"", installed("criu")));
        let _restored_after_all = Container::named(remembered.name);
        let world = World::at_rest(remembered.folder.path());
        for criu in [&failing, &unserved] {
            let failed = Command::new(env!("CARGO_BIN_EXE_ckpt"))
                .args(["restore", "-i", text(&archive), "--lazy=always"])
                .env("PATH", path_with(criu.path()))
                .output()
                .unwrap();
            assert!(!failed.status.success(), "{failed:?}");
            println!("{}", String::from_utf8_lossy(&failed.stderr));
            assert_no_server_left(&[]);
            world.assert_same(remembered.folder.path());
        }
        // Once more, as if nothing had been.
        assert_eq!(end_of(&remembered.restore()), End::Right);
    }
}

/// All three processes at once: any of them makes the others anew, unless it stands still.
const KILL_SERVERS: &str = r#"
while
    servers=$(sed -nE 's/^(reserve|keeper|server) ([1-9].*)/\2/p' /run/ckpt/sessions/memory/*)
    [ $(wc -w <<< "$servers") != 3 ]
do :; done
kill -STOP $servers
kill -KILL $servers"#;
