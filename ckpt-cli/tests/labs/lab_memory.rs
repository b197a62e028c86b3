//! Memory: gigabytes of it are the rule, so it goes no way that takes long, and no moment leaves it behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::lab::*;

/// Holds 4 MB of memory that nothing compresses, and says what is in it when it gets SIGUSR1.
const REMEMBER: &str = r#"
x=$(head -c 3000000 /dev/urandom | base64)
trap 'echo "$x" | md5sum >> /srv/sums' USR1
echo ready
while :; do sleep 0.05; done
"#;

/// What [`REMEMBER`] holds, more or less: above what is set aside.
const MEMORY_BYTES: u64 = 4_000_000;

fn remembering(name: &str, runtime: &str) -> Container {
    let container = Container::run(name, &["--runtime", runtime], REMEMBER);
    wait_for("the memory", || (podman(&["logs", name]) == "ready").then_some(()));
    container
}

/// The checksum of a container's memory, made now.
fn sum(container: &Container) -> String {
    container.exec("rm -f /srv/sums");
    podman(&["kill", "--signal", "USR1", &container.name]);
    wait_for("the sum", || Some(container.exec("cat /srv/sums 2>/dev/null; true")).filter(|sum| !sum.is_empty()))
}

fn bundle(container: &Container) -> PathBuf {
    Path::new(&container.inspect("{{.OCIConfigPath}}")).parent().unwrap().to_owned()
}

/// Images in the bundle that are links now.
fn links(bundle: &Path) -> Vec<PathBuf> {
    let images = fs::read_dir(bundle.join("checkpoint")).into_iter().flatten().flatten();
    images.map(|image| image.path()).filter(|path| path.is_symlink()).collect()
}

fn memory_comes_back(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = remembering("remembering", runtime);
    let before = sum(&original);
    let printed = ckpt(&["checkpoint", "remembering", "-e", text(&archive), "--reflink", "always", "--print-stats"]);
    let packed = statistics(&printed);
    assert!(packed["cloned_bytes"].as_u64().unwrap() > MEMORY_BYTES, "{packed}");
    let bundle = bundle(&original);
    assert!(
        links(&bundle).is_empty() && !bundle.join("pre-checkpoint").exists(),
        "all images are back in their places"
    );
    let listed = succeed("tar", &["-tvf", text(&archive)]);
    let pages: Vec<&str> = listed.lines().filter(|line| line.contains("checkpoint/pages-")).collect();
    assert!(!pages.is_empty() && pages.iter().all(|line| line.starts_with('-')), "{listed}");

    // In place by podman, then from the archive.
    podman(&["container", "restore", "remembering"]);
    assert_eq!(sum(&original), before);
    original.remove();
    let clone = Container::named("remembering-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "remembering-clone", "--reflink", "always"]);
    assert_eq!(sum(&clone), before);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_comes_back_runc() {
    memory_comes_back("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_comes_back_crun() {
    memory_comes_back("crun");
}

/// Starts a checkpoint, and kills it once pages are set aside and `ripe` says so; gives whether that moment was met.
fn kill_with_pages_aside(container: &Container, bundle: &Path, arguments: &[&str], ripe: impl Fn() -> bool) -> bool {
    let mut child: Child = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["checkpoint", &container.name])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while (links(bundle).is_empty() || !ripe()) && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // podman, the runtime and CRIU end with it, but not at once. Names of tests, in other command lines, do not count.
    let at_work = "^(/[^ ]*/)?(criu[^/ ]*( |$)|podman container checkpoint|(runc|crun) .*checkpoint)";
    wait_for("their end", || (!run("pgrep", &["-f", at_work]).status.success()).then_some(()));
    !links(bundle).is_empty()
}

/// As often as it takes to meet the moment; in between the container is brought back, and `archive`, finished before the
/// kill, removed.
fn killed_with_pages_aside(container: &Container, archive: &Path, options: &[&str], has_ended: bool) {
    let arguments = [&["-e", text(archive)], options].concat();
    let bundle = bundle(container);
    for _ in 0..50 {
        let process = PathBuf::from(format!("/proc/{}", container.inspect("{{.State.Pid}}")));
        let met = kill_with_pages_aside(container, &bundle, &arguments, || process.exists() != has_ended);
        if met && container.is_running() != has_ended {
            return;
        }
        if archive.exists() {
            fs::remove_file(archive).unwrap();
        }
        if !container.is_running() {
            container.restore_in_place();
        }
    }
    panic!("no checkpoint was killed between the link and its end");
}

fn a_killed_export_can_be_restored_in_place(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = remembering("unexported", runtime);
    let before = sum(&container);
    killed_with_pages_aside(&container, &archive, &[], true);
    assert!(!archive.exists());
    let bundle = bundle(&container);
    assert!(!links(&bundle).is_empty(), "podman restores from links");
    podman(&["container", "restore", "unexported"]);
    assert!(container.is_running());
    assert_eq!(sum(&container), before);
    assert!(!bundle.join("pre-checkpoint").exists(), "podman removes the pages with the images");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_killed_export_can_be_restored_in_place_runc() {
    a_killed_export_can_be_restored_in_place("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_killed_export_can_be_restored_in_place_crun() {
    a_killed_export_can_be_restored_in_place("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_the_next_checkpoint_puts_back_what_a_killed_one_moved() {
    let folder = folder();
    let archive = folder.path().join("x.tar.zst");
    let container = remembering("unfinished", "runc");
    let before = sum(&container);
    killed_with_pages_aside(&container, &archive, &["--leave-running"], false);
    // The images are compressed on their way, and unpacked beside the storage again.
    ckpt(&["checkpoint", "unfinished", "-e", text(&archive), "--compress", "zstd"]);
    let bundle = bundle(&container);
    assert!(links(&bundle).is_empty() && !bundle.join("pre-checkpoint").exists());
    container.remove();
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(sum(&container), before);
}
