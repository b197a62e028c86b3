//! The programs in `examples` of the libraries do what they say.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Removed with all that was made of it.
struct Containers;

const CONTAINERS: [&str; 2] = ["of-examples", "copy-of-examples"];

impl Drop for Containers {
    fn drop(&mut self) {
        for name in CONTAINERS {
            let _ = run("podman", &["rm", "--force", "--time=0", name]);
        }
    }
}

/// A library's example, which `cargo test` has built beside this test.
fn example(name: &str, arguments: &[&str]) -> Result<String> {
    let path = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("examples").join(name);
    run(path.to_str().context("a path of letters")?, arguments)
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn btrfs_examples_pack_diff_and_checkpoint() -> Result<()> {
    // On the file system of podman's storage, where data is cloned.
    let folder = tempfile::tempdir_in("/var/tmp")?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::create_dir(path("tree"))?;
    fs::write(path("tree/data"), [7; 100_000])?;
    let said = example("pack", &[&path("tree"), &path("tree.tar")])?;
    ensure!(said.contains("data"), "pack said {said:?}");
    fs::create_dir(path("copy"))?;
    example("unpack", &[&path("tree.tar"), &path("copy")])?;
    let copied = run("find", &[&path("copy"), "-name", "data", "-size", "100000c"])?;
    ensure!(!copied.is_empty(), "the file did not come out of the archive");

    let _containers = Containers;
    let [name, copy] = CONTAINERS;
    let command = ["run", "-d", "--network=none", "--name", name, "localhost/busybox", "sh", "-c"];
    run("podman", &[&command[..], &["echo $$ > /planted; while :; do sleep 0.1; done"]].concat())?;
    run("podman", &["exec", name, "sh", "-c", "while [ ! -s /planted ]; do sleep 0.01; done"])?;
    let layers =
        run("podman", &["inspect", "--format", "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}", name])?;
    let said = example("changes", &layers.trim().split(':').collect::<Vec<_>>())?;
    ensure!(said.contains("C /planted\n"), "changes said {said:?}");

    example("copy_container", &[name, &path("container.tar"), copy])?;
    let said = example("archive_contents", &[&path("container.tar")])?;
    ensure!(said.contains("of-examples of localhost/busybox"), "archive_contents said {said:?}");
    for container in CONTAINERS {
        ensure!(run("podman", &["exec", container, "cat", "/planted"])?.trim() == "1", "{container} lacks its file");
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}\n{said}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
