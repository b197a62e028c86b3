//! The examples, run as programs on real containers.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What an example prints. `cargo test` has built it, in the folder next to that of the tests.
fn example(name: &str, arguments: &[&str]) -> Result<String> {
    let this_test = std::env::current_exe()?;
    let programs = this_test.parent().and_then(Path::parent).context("a test lies in target/PROFILE/deps")?;
    run(programs.join("examples").join(name).to_str().context("UTF-8")?, arguments)
}

fn podman(arguments: &[&str]) -> Result<String> {
    run("podman", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_examples_copy_a_container_and_list_its_archive() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = folder.path().join("x.tar");
    let archive = archive.to_str().context("UTF-8")?;
    let script = "echo new > /srv/new; while :; do sleep 0.1; done";
    podman(&["run", "-d", "--name", "example", "localhost/busybox", "sh", "-c", script])?;

    let copied = example("copy_container", &["example", archive, "example-copy"])?;
    let (members, id) = copied.trim_end().split_once('\n').context("two lines")?;
    assert!(members.contains("members, frozen for"), "{copied}");
    let status = podman(&["container", "inspect", "--format", "{{.Name}} {{.State.Status}}", id])?;
    assert_eq!(status, "example-copy running\n");
    assert_eq!(podman(&["exec", "example-copy", "cat", "/srv/new"])?, "new\n");

    let listed = example("archive_contents", &[archive])?;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines[0], "example of localhost/busybox:latest");
    assert!(lines.iter().any(|line| line.starts_with("rootfs-diff.tar: ")), "{listed}");
    podman(&["rm", "--force", "--time", "0", "example", "example-copy"])?;
    Ok(())
}
