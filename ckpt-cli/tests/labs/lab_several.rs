//! Several containers in one command, found by name or by podman.

use std::path::Path;

use crate::lab::*;
use serde_json::Value;

fn counting(name: &str) -> Container {
    Container::run(name, &[], COUNT)
}

/// Whether an archive brings its container back, with everything it had counted.
fn comes_back(container: &Container, archive: &Path) {
    container.remove();
    ckpt(&["restore", "-i", text(archive)]);
    assert_consecutive(&container.wait_for_numbers(5));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_all_that_run_go_into_a_folder() {
    let folder = folder();
    let stopped = counting("all-stopped");
    podman(&["stop", "--time", "0", "all-stopped"]);
    let _pod = Pod::create("all-pod");
    let containers = [counting("all-one"), Container::run("all-two", &["--pod", "all-pod"], COUNT)];
    let target = format!("{}/", folder.path().display());
    let printed = ckpt(&["checkpoint", "--all", "-e", &target, "--leave-running", "--print-stats"]);
    let mut files: Vec<_> = folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["all-one.tar", "all-two.tar"], "neither the stopped one nor the pod's own");

    let json: Value = serde_json::from_str(&printed).unwrap();
    assert!(json["podman_checkpoint_duration"].as_u64().unwrap() > 0, "{json}");
    let statistics = json["container_statistics"].as_array().unwrap();
    let ids: Vec<_> = containers.iter().map(|container| container.inspect("{{.Id}}")).collect();
    assert_eq!(statistics.len(), 2);
    for container in statistics {
        assert!(ids.iter().any(|id| container["Id"] == id.as_str()), "{container}");
        assert!(container["criu_statistics"]["frozen_time"].as_u64().unwrap() > 0, "{container}");
        assert!(container["ckpt"]["members"].as_u64().unwrap() > 0, "{container}");
    }
    assert!(containers.iter().all(Container::is_running) && !stopped.is_running());
    comes_back(&containers[0], &folder.path().join("all-one.tar"));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_one_that_fails_does_not_stop_the_others() {
    let folder = folder();
    let containers = [counting("some-one"), counting("some-two")];
    let arguments = ["checkpoint", "some-one", "nobody", "some-two", "-e", text(folder.path()), "--compress", "ZSTD"];
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<_> = said.lines().filter(|line| line.starts_with("Error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains("\"nobody\""), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "some-one\nsome-two\n");
    for container in &containers {
        assert!(!container.is_running());
        comes_back(container, &folder.path().join(format!("{}.tar.zst", container.name)));
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_one_file_for_several_is_refused() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let containers = [counting("file-one"), counting("file-two")];
    for which in [&["file-one", "file-two"][..], &["--all"]] {
        for export in [text(&archive), "-"] {
            let said = ckpt_fails(&[&["checkpoint", "-e", export], which].concat());
            assert!(said.contains("-e DIR/"), "{said}");
        }
    }
    assert!(containers.iter().all(Container::is_running) && !archive.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_the_latest_is_the_one_made_last() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let (first, second) = (counting("latest-first"), counting("latest-second"));
    let id = second.inspect("{{.Id}}");
    assert_eq!(ckpt(&["checkpoint", "-l", "-e", text(&archive)]), id);
    assert!(first.is_running() && !second.is_running());
    comes_back(&second, &archive);
}
