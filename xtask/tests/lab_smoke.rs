//! The lab itself: everything a checkpoint needs works inside.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

const COUNT: &str = "i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.1; done";

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn criu_works_on_this_kernel() -> Result<()> {
    let says = run("criu", &["check"])?;
    ensure!(says.contains("Looks good"), "criu check: {says}");
    Ok(())
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn podman_stores_on_the_chosen_file_system() -> Result<()> {
    let backing = run("podman", &["info", "--format", "{{index .Store.GraphStatus \"Backing Filesystem\"}}"])?;
    // podman names XFS by its kernel name and ext4 with all its ancestors.
    ensure!(backing.trim().starts_with(&file_system()?), "storage is on {backing}");
    Ok(())
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn files_are_cloned() -> Result<()> {
    let folder = Path::new("/mnt").join(file_system()?);
    let (original, clone) = (folder.join("original"), folder.join("clone"));
    fs::write(&original, vec![7; 1 << 20])?;
    let paths = [original.to_str(), clone.to_str()].map(Option::unwrap_or_default);
    run("cp", &["--reflink=always", paths[0], paths[1]])?;
    ensure!(fs::read(&clone)? == fs::read(&original)?, "the clone differs");
    Ok(())
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn ext4_has_no_reflink() -> Result<()> {
    fs::write("/mnt/ext4/original", "something")?;
    let clone = run("cp", &["--reflink=always", "/mnt/ext4/original", "/mnt/ext4/clone"]);
    ensure!(clone.is_err(), "ext4 cloned a file");
    Ok(())
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn ckpt_is_in_path() -> Result<()> {
    run("ckpt", &["--version"]).map(drop)
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn the_image_has_files_of_every_kind() -> Result<()> {
    let list = run("podman", &["run", "--rm", "--network", "none", "localhost/busybox", "ls", "-l", "/srv/tree"])?;
    for kind in ["lrwxrwxrwx", "drwxr-xr-x", "-rwsr-xr-x"] {
        ensure!(list.contains(kind), "no {kind} in {list}");
    }
    let mount = run("podman", &["image", "mount", "localhost/busybox"])?;
    let file = format!("{}/srv/tree/with-xattr", mount.trim());
    let xattrs = run("getfattr", &["-n", "user.note", &file])?;
    ensure!(xattrs.contains("kept in the image"), "xattrs: {xattrs}");
    Ok(())
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn podman_alone_restores_with_runc() -> Result<()> {
    checkpoint_and_restore("runc")
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn podman_alone_restores_with_crun() -> Result<()> {
    checkpoint_and_restore("crun")
}

/// Twice, since a container that came back into wrong cgroups fails only then.
fn checkpoint_and_restore(runtime: &str) -> Result<()> {
    let container = format!("smoke-{runtime}");
    let archive = format!("/tmp/{container}.tar");
    run("podman", &["run", "-d", "--name", &container, "--runtime", runtime, "localhost/busybox", "sh", "-c", COUNT])?;
    let addresses = run("podman", &["exec", &container, "ip", "address"])?;
    ensure!(addresses.contains("eth0"), "no bridge network: {addresses}");
    let mut count = 0;
    for _ in 0..2 {
        count = count_on(&container, count)?;
        run("podman", &["container", "checkpoint", "-e", &archive, &container])?;
        run("podman", &["rm", &container])?;
        run("podman", &["container", "restore", "-i", &archive])?;
        same_cgroup(&container)?;
    }
    count_on(&container, count)?;
    run("checkpointctl", &["show", &archive])?;
    run("podman", &["rm", "--force", "--time", "0", &container]).map(drop)
}

/// Watches the counter go on from `start`; one that began anew is below it at first.
fn count_on(container: &str, start: u64) -> Result<u64> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let text = run("podman", &["exec", container, "cat", "/tmp/n"])?;
        // Between truncation and writing the file is empty.
        if let Ok(count) = text.trim().parse::<u64>() {
            ensure!(count >= start, "{container} counts from {count}, not from {start}");
            if count >= start + 5 {
                return Ok(count);
            }
        }
        ensure!(Instant::now() < end, "{container} counts no further than {text}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn same_cgroup(container: &str) -> Result<()> {
    let pid = run("podman", &["inspect", "--format", "{{.State.Pid}}", container])?;
    let pid = pid.trim();
    let own = v2_group(pid)?;
    // The counter's sleep is gone after a tenth of a second, and for a moment there is none.
    for child in fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?.split_whitespace() {
        let Ok(group) = v2_group(child) else { continue };
        ensure!(group == own, "{container}'s first task is in {own}, a child in {group}");
    }
    Ok(())
}

fn v2_group(pid: &str) -> Result<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    Ok(own.context("no v2 cgroup")?.to_owned())
}

fn file_system() -> Result<String> {
    env::var("CKPT_LAB_FS").context("not in the lab")
}

/// What the program prints, or an error with all it printed.
fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("cannot start {program}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{program} {}: {}\n{printed}{}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(printed)
}
