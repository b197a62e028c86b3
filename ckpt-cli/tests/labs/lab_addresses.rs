//! The address of a container whose restore is killed between podman's lease of it and podman's note of that: podman
//! would not give it to anyone before the next boot.

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_restore_without_podman_gives_the_address_back() {
    the_address_is_given_back("runc", &[], |_| processes_named("podman"));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_run_after_a_killed_one_gives_the_address_back() {
    the_address_is_given_back("crun", &[], all_of_it);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_clones_restore_without_podman_gives_the_address_back() {
    the_address_is_given_back("crun", &["--name", "clone"], |_| processes_named("podman"));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_run_after_a_killed_clone_gives_the_address_back() {
    the_address_is_given_back("runc", &["--name", "clone"], all_of_it);
}

fn all_of_it(ckpt: &Child) -> Vec<Pid> {
    [vec![Pid::from_child(ckpt)], processes_named("podman")].concat()
}

/// Kills those that `victims` finds while podman sets up the network.
fn the_address_is_given_back(runtime: &str, options: &[&str], victims: impl Fn(&Child) -> Vec<Pid>) {
    let folder = folder();
    let name = format!("addressed-{runtime}");
    let archive = folder.path().join("a.tar");
    let original = Container::run(&name, &["--runtime", runtime, "--publish", "8089:80"], COUNT);
    let address = address(&original);
    original.checkpoint_and_remove(&archive);
    let before = network_namespaces();

    let arguments = [&["restore", "-i", text(&archive)], options].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // podman leases the addresses, starts this, and notes them when it is done.
    let patience = Instant::now() + Duration::from_secs(30);
    while processes_named("netavark").is_empty() {
        assert!(Instant::now() < patience && child.try_wait().unwrap().is_none(), "podman sets up no network");
    }
    for victim in victims(&child) {
        kill_process(victim, Signal::KILL).unwrap();
    }
    assert!(!child.wait().unwrap().success());

    ckpt(&arguments);
    let restored = Container::named(options.last().unwrap_or(&&name[..]));
    match options {
        [] => assert_eq!(self::address(&restored), address),
        // podman gives one address after the other.
        _ => {
            let next = Ipv4Addr::from(u32::from(address) + 1);
            assert!(self::address(&restored) > next);
            podman(&["run", "--rm", "--ip", &next.to_string(), IMAGE, "true"]);
        }
    }
    assert_eq!(network_namespaces(), before + 1);
    restored.remove();
    assert_eq!(network_namespaces(), before);
}

fn address(container: &Container) -> Ipv4Addr {
    container.inspect("{{.NetworkSettings.IPAddress}}").parse().unwrap()
}

/// In the lab there are no others than those of this test.
fn processes_named(name: &str) -> Vec<Pid> {
    let is_named = |pid: &Pid| {
        let comm = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Pid::from_raw(name.parse().ok()?)).filter(is_named).collect()
}

/// How many podman has mounted.
fn network_namespaces() -> usize {
    fs::read_dir("/run/netns").unwrap().count()
}
