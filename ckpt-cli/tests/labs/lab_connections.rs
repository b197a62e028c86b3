//! What ties a container to others: TCP connections, and locks on files.

use std::fs;

use crate::lab::*;

/// Hears, on port 5000, what others say.
const HEAR: &str = "sleep 1000 | nc -l -p 5000 > /srv/heard";

/// Says numbers to `$1` for as long as the connection lasts.
fn say(address: &str) -> String {
    let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    format!("({count}) | nc {address} 5000; echo closed > /srv/closed; while :; do sleep 1; done")
}

fn heard(server: &Container) -> Vec<u64> {
    server.exec("cat /srv/heard; true").lines().filter_map(|line| line.parse().ok()).collect()
}

fn connections_go_on_or_are_closed(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let server = Container::run("hearing", &["--runtime", runtime], HEAR);
    wait_for("the listener", || server.exec("netstat -ltn").contains(":5000 ").then_some(()));
    let address = server.inspect("{{.NetworkSettings.IPAddress}}");
    let client = Container::run("saying", &["--runtime", runtime], &say(&address));
    wait_for("the connection", || (heard(&server).len() > 3).then_some(()));

    let said = ckpt_fails(&["checkpoint", "saying", "-e", text(&archive)]);
    assert!(said.contains("tcp-established") && said.contains("keeps running"), "{said}");

    if !criu_knows_sockets() {
        // As podman itself then.
        let said = ckpt_fails(&["checkpoint", "saying", "-e", text(&archive), "--tcp-established"]);
        assert!(
            said.contains("Can't get 1:16 opt") && said.contains("4.2 or newer") && said.contains("keeps running"),
            "{said}"
        );
        let before = heard(&server).len();
        assert_consecutive(&wait_for("more numbers", || Some(heard(&server)).filter(|heard| heard.len() > before + 5)));
        return assert!(client.is_running() && !archive.exists());
    }
    ckpt(&["checkpoint", "saying", "-e", text(&archive), "--tcp-established"]);
    client.remove();
    let before = heard(&server).len();
    ckpt(&["restore", "-i", text(&archive), "--tcp-established"]);
    let numbers = wait_for("more numbers", || Some(heard(&server)).filter(|numbers| numbers.len() > before + 5));
    assert_consecutive(&numbers);
    assert_eq!(client.exec("ls /srv/closed 2> /dev/null; true"), "");

    ckpt(&["checkpoint", "saying", "-e", text(&archive), "--tcp-established"]);
    client.remove();
    ckpt(&["restore", "-i", text(&archive), "--tcp-close"]);
    wait_for("the end of nc", || (client.exec("cat /srv/closed 2> /dev/null; true") == "closed").then_some(()));
    assert!(client.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_connections_go_on_or_are_closed_runc() {
    connections_go_on_or_are_closed("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_connections_go_on_or_are_closed_crun() {
    connections_go_on_or_are_closed("crun");
}

/// Holds a lock and counts, once it can.
const LOCK: &str = "until [ -e /srv/ready ]; do sleep 0.1; done
    flock /srv/lock sh -c 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done'";

/// busybox has no `flock`: the lab's own, and what it needs.
const FLOCK: [&str; 3] = ["/usr/bin/flock", "/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"];

fn locking(runtime: &str) -> Container {
    let container = Container::run("locking", &["--runtime", runtime], LOCK);
    container.exec("mkdir -p /usr/bin /lib64 /lib/x86_64-linux-gnu; ln -s /usr/bin/flock /bin/flock");
    for path in FLOCK {
        let source = fs::canonicalize(path).unwrap();
        podman(&["cp", source.to_str().unwrap(), &format!("locking:{path}")]);
    }
    container.exec("touch /srv/ready");
    container.wait_for_numbers(1);
    container
}

fn is_locked(container: &Container) -> bool {
    container.exec("flock -n /srv/lock true && echo free || echo locked") == "locked"
}

fn locks_are_held_on(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = locking(runtime);
    assert!(is_locked(&original));
    let said = ckpt_fails(&["checkpoint", "locking", "-e", text(&archive)]);
    assert!(said.contains("file-locks") && said.contains("keeps running"), "{said}");
    ckpt(&["checkpoint", "locking", "-e", text(&archive), "--file-locks"]);
    original.remove();
    let clone = Container::named("locking-clone");
    ckpt(&["restore", "-i", text(&archive), "--file-locks", "--name", "locking-clone"]);
    assert_consecutive(&clone.wait_for_numbers(5));
    assert!(is_locked(&clone));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_locks_are_held_on_runc() {
    locks_are_held_on("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_locks_are_held_on_crun() {
    locks_are_held_on("crun");
}
