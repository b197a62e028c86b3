//! Nothing is stopped that cannot come back: a restore's refusals come before the checkpoint, its wishes with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use crate::lab::*;

fn tries(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_ckpt"), arguments)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A checkpoint is refused in these words, and it is the same container that goes on.
fn assert_refused(container: &Container, folder: &Path, words: &str) {
    let archive = folder.join("x.tar");
    let before = container.inspect("{{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}");
    container.wait_for_numbers(1);
    let said = ckpt_fails(&["checkpoint", &container.name, "-e", text(&archive)]);
    assert!(said.contains("was not touched") && said.contains(words), "{said}");
    assert!(container.goes_on() && !archive.exists(), "{said}");
    assert_eq!(container.inspect("{{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}}"), before, "{said}");
    assert_consecutive(&container.numbers());
}

/// Stops a container into an archive and brings it back; gives what was said at the checkpoint.
fn cycle(container: &Container, folder: &Path) -> String {
    let archive = folder.join("x.tar");
    container.wait_for_numbers(1);
    let output = tries(&["checkpoint", &container.name, "-e", text(&archive)]);
    assert!(output.status.success(), "{}", said(&output));
    let count = container.numbers().len();
    container.remove();
    ckpt(&["restore", "-i", text(&archive)]);
    assert_consecutive(&container.wait_for_numbers(count + 1));
    said(&output)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_that_needs_others_is_refused_before_anything_is_touched() {
    let folder = folder();
    let base = Container::run("base", &["--ipc", "shareable"], "sleep 1000");
    let id = &base.inspect("{{.Id}}")[..12];
    for (runtime, options) in [
        ("runc", &["--network", "container:base", "--restart", "always"][..]),
        ("crun", &["--requires", "base", "--restart", "unless-stopped"]),
        ("runc", &["--ipc", "container:base"]),
        ("crun", &["--pid", "container:base"]),
        ("crun", &["--uts", "container:base"]),
    ] {
        let container = Container::run("side", &[&["--runtime", runtime], options].concat(), COUNT);
        assert_refused(&container, folder.path(), id);
    }
    let _pod = Pod::named("needy");
    let pillar = Container::run("pillar", &["--pod", "new:needy"], "sleep 1000");
    let container = Container::run("side", &["--pod", "needy", "--requires", "pillar"], COUNT);
    assert_refused(&container, folder.path(), &pillar.inspect("{{.Id}}")[..12]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_whose_mounts_podman_does_not_make_again_is_refused() {
    let folder = folder();
    let (here, gone) = (folder.path().join("here"), folder.path().join("gone"));
    fs::create_dir(&here).unwrap();
    fs::create_dir(&gone).unwrap();
    let _volume = Volume::named("parts");
    podman(&["volume", "create", "parts"]);
    fs::create_dir(Path::new(&podman(&["volume", "mount", "parts"])).join("part")).unwrap();
    for (runtime, mount, words) in [
        ("runc", "type=image,src=localhost/busybox,dst=/m".to_owned(), "/m ends with the container"),
        ("crun", "type=volume,src=parts,dst=/m,subpath=part".to_owned(), "/m ends with the container"),
        ("crun", format!("type=bind,src={},dst=/m", gone.display()), "gone, which was mounted at /m, is not here"),
    ] {
        let container = Container::run("mounted", &["--runtime", runtime, "--mount", &mount], COUNT);
        if mount.contains("gone") {
            fs::remove_dir(&gone).unwrap();
        }
        assert_refused(&container, folder.path(), words);
        // One that runs on loses nothing.
        let archive = folder.path().join("x.tar");
        let output = tries(&["checkpoint", "mounted", "-e", text(&archive), "--leave-running"]);
        assert!(output.status.success() && said(&output).contains(words), "{}", said(&output));
        fs::remove_file(archive).unwrap();
        assert!(container.goes_on());
    }
    fs::write(&gone, "secret").unwrap();
    podman(&["secret", "create", "passing", text(&gone)]);
    let container = Container::run("mounted", &["--secret", "passing"], COUNT);
    podman(&["secret", "rm", "passing"]);
    assert_refused(&container, folder.path(), "the secret passing is not here");
    drop(container);
    // One in the environment is in the memory.
    podman(&["secret", "create", "passing", text(&gone)]);
    let container = Container::run("mounted", &["--secret", "passing,type=env,target=SECRET"], COUNT);
    podman(&["secret", "rm", "passing"]);
    cycle(&container, folder.path());
    drop(container);
    fs::remove_file(folder.path().join("x.tar")).unwrap();
    for source in ["parts".to_owned(), here.display().to_string()] {
        let container = Container::run("mounted", &["-v", &format!("{source}:/m:O")], COUNT);
        assert_refused(&container, folder.path(), "/m ends with the container");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_container_on_a_directory_is_refused() {
    let folder = folder();
    let root = folder.path().join("root");
    add_busybox(&root, &["bin/sh", "bin/sleep"]);
    let container = Container::named("rooted");
    let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    podman(&["run", "-d", "--name", "rooted", "--rootfs", text(&root), "sh", "-c", count]);
    assert_refused(&container, folder.path(), "--rootfs");
    // podman makes an archive of it, that nobody can restore.
    let archive = folder.path().join("podmans.tar");
    podman(&["container", "checkpoint", "rooted", "-e", text(&archive)]);
    container.remove();
    let inspected = ckpt(&["inspect", text(&archive)]);
    assert!(inspected.contains("it cannot be restored: it was made from a directory"), "{inspected}");
    let said = ckpt_fails(&["restore", "-i", text(&archive), "--trust"]);
    assert!(said.contains("--rootfs"), "{said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_image_is_found_however_it_was_named() {
    let folder = folder();
    let root = folder.path().join("root");
    add_busybox(&root, &["bin/sh", "bin/sleep"]);
    let untagged = import_image(&root, "");
    let id = podman(&["image", "inspect", IMAGE, "--format", "{{.Id}}"]);
    let digest = podman(&["image", "inspect", IMAGE, "--format", "{{.Digest}}"]);
    for (runtime, reference) in [
        ("crun", format!("sha256:{id}")),
        ("runc", format!("{IMAGE}@{digest}")),
        ("crun", untagged[..12].to_owned()),
        ("crun", format!("sha256:{untagged}")),
    ] {
        let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
        let container = Container::run_image("referred", &["--runtime", runtime], &reference, &["sh", "-c", count]);
        let of = || container.inspect("{{.Image}} {{.ImageName}}");
        let before = of();
        cycle(&container, folder.path());
        assert_eq!(of(), before);
    }
    // A name that it has no longer: podman would pull that.
    podman(&["tag", &untagged, "localhost/passing:1"]);
    let container = Container::named("referred");
    let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    podman(&["run", "-d", "--name", "referred", "localhost/passing:1", "sh", "-c", count]);
    podman(&["untag", &untagged]);
    cycle(&container, folder.path());
    assert_eq!(container.inspect("{{.Image}}"), untagged);
    drop(container);
    podman(&["rmi", &untagged]);
}

/// `podman run --init` mounts a link on Debian.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_mounts_of_links_come_back() {
    let folder = folder();
    fs::create_dir(folder.path().join("real")).unwrap();
    fs::write(folder.path().join("real/file"), "found").unwrap();
    symlink("real", folder.path().join("link")).unwrap();
    let volume = format!("{}:/m", folder.path().join("link").display());
    for runtime in RUNTIMES {
        let container = Container::run("linked", &["--runtime", runtime, "--init", "-v", &volume], COUNT);
        cycle(&container, folder.path());
        assert_eq!(container.exec("cat /m/file"), "found");
        podman(&["restart", "--time", "0", "linked"]);
        assert_eq!(container.exec("cat /m/file"), "found");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_split_cgroup_comes_back() {
    let folder = folder();
    for runtime in RUNTIMES {
        let container = Container::run("split", &["--runtime", runtime, "--cgroups", "split"], COUNT);
        cycle(&container, folder.path());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_restart_policy_lets_a_saved_container_rest_and_comes_back() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for (runtime, policy) in RUNTIMES.into_iter().zip(["always", "unless-stopped"]) {
        let options = ["--runtime", runtime, "--restart", policy, "--health-cmd", "test -e /etc"];
        let container = Container::run("guarded", &options, COUNT);
        container.wait_for_numbers(1);
        ckpt(&["checkpoint", "guarded", "-e", text(&archive)]);
        // It would start what the policy wants to run.
        podman(&["container", "cleanup", "guarded"]);
        assert!(!container.is_running());
        container.remove();
        ckpt(&["restore", "-i", text(&archive)]);
        assert!(container.goes_on());
        podman(&["healthcheck", "run", "guarded"]);
        let pid = container.inspect("{{.State.Pid}}");
        succeed("kill", &["-KILL", &pid]);
        wait_for("it to be started anew", || {
            (container.is_running() && container.inspect("{{.State.Pid}}") != pid).then_some(())
        });
        fs::remove_file(&archive).unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_a_restore_will_ask_for_is_said_at_the_checkpoint() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let file = |name: &str| folder.path().join(name).display().to_string();
    for option in ["--cidfile", "--pidfile", "--conmon-pidfile"] {
        let container = Container::run("writing", &[option, &file(option)], COUNT);
        let output = tries(&["checkpoint", "writing", "-e", text(&archive)]);
        let said = said(&output);
        let warning =
            said.lines().find(|line| line.starts_with("Warning: writing: it has podman write or remove a file"));
        assert!(warning.is_some_and(|line| line.contains(&file(option)) && line.ends_with("--trust")), "{said}");
        let inspected = ckpt(&["inspect", "--format", "json", text(&archive)]);
        assert!(inspected.contains("restore it with --trust"), "{inspected}");
        container.remove();
        assert!(ckpt_fails(&["restore", "-i", text(&archive)]).contains("--trust"));
        ckpt(&["restore", "-i", text(&archive), "--trust"]);
        assert!(container.goes_on());
        fs::remove_file(&archive).unwrap();
    }
    let _pod = Pod::named("asking");
    let member = Container::run("member", &["--pod", "new:asking"], COUNT);
    let output = tries(&["checkpoint", "member", "-e", text(&archive)]);
    assert!(said(&output).contains("Warning: member: it is in a pod: restore it with --pod"), "{}", said(&output));
    member.remove();
    assert!(ckpt_fails(&["restore", "-i", text(&archive)]).contains("--pod"));
    ckpt(&["restore", "-i", text(&archive), "--pod", "asking"]);
    assert!(member.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_volume_with_options_of_its_own_is_told() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("optional");
    let device = format!("device={}", folder.path().display());
    let create = ["volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", &device, "optional"];
    podman(&create);
    let container = Container::run("choosy", &["-v", "optional:/data", "-v", "/plain"], COUNT);
    let output = tries(&["checkpoint", "choosy", "-e", text(&archive)]);
    let said = said(&output);
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("options of its own")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("the volume optional has"), "{said}");
    assert!(ckpt(&["inspect", text(&archive)]).contains("the volume optional has a driver or options"));
    container.remove();
    volume.remove();
    podman(&create);
    ckpt(&["restore", "-i", text(&archive), "--ignore-volumes"]);
    assert!(container.goes_on());
    assert!(container.exec("ls /data").contains("x.tar"));
    drop(container);
    podman(&["volume", "prune", "--force"]);
}
