//! What cannot be done is said in one line with the way out, and nothing is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::lab::*;

/// `ckpt checkpoint` must fail, say all of `words`, and leave the container running and no archive.
fn checkpoint_fails(container: &Container, archive: &Path, options: &[&str], words: &[&str]) {
    let said = ckpt_fails(&[&["checkpoint", &container.name, "-e", text(archive)], options].concat());
    assert_says(&said, words);
    assert!(container.is_running(), "{said}");
    assert!(!archive.exists());
}

/// A counting container that a later checkpoint still works on.
fn counting(name: &str) -> Container {
    let container = Container::run(name, &[], COUNT);
    container.exec("head -c 3000000 /dev/urandom > /srv/large");
    container
}

fn can_still_be_checkpointed(container: &Container) {
    let folder = folder();
    ckpt(&["checkpoint", &container.name, "-e", text(&folder.path().join("after.tar")), "-R"]);
    assert!(container.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn unknown_and_stopped_containers_are_named() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let said = ckpt_fails(&["checkpoint", "nobody", "-e", text(&archive)]);
    assert_says(&said, &["\"nobody\"", "podman ps -a"]);
    let stopped = counting("stopped");
    podman(&["stop", "--time", "0", "stopped"]);
    let said = ckpt_fails(&["checkpoint", "stopped", "-e", text(&archive)]);
    assert_says(&said, &["\"stopped\"", "exited", "only a running container", "podman start"]);
    podman(&["start", "stopped"]);
    podman(&["pause", "stopped"]);
    let said = ckpt_fails(&["checkpoint", "stopped", "-e", text(&archive)]);
    assert_says(&said, &["\"stopped\"", "paused", "podman unpause"]);
    drop(stopped);
    assert!(!archive.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn missing_folders_are_named() {
    let container = counting("no-folder");
    let folder = folder();
    checkpoint_fails(
        &container,
        &folder.path().join("missing/x.tar"),
        &[],
        &["missing does not exist", "make it first"],
    );
    let missing = format!("{}/missing/", folder.path().display());
    let said = ckpt_fails(&["checkpoint", "no-folder", "-e", &missing]);
    assert_says(&said, &["missing does not exist", "make it first"]);
    can_still_be_checkpointed(&container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn only_root_can() {
    let folder = folder();
    for arguments in [&["checkpoint", "x", "-e", "/tmp/x.tar"][..], &["restore", "-i", "/tmp/x.tar"]] {
        let output = ckpt_as_user(folder.path(), arguments);
        assert!(!output.status.success());
        assert_says(&String::from_utf8(output.stderr).unwrap(), &["only root", "sudo"]);
    }
}

/// Runs `ckpt` with nothing in PATH but links to `programs`, and scripts.
fn ckpt_with_path(programs: &[&str], scripts: &[(&str, &str)], arguments: &[&str]) -> String {
    let bin = folder_of(programs, scripts);
    fails(Command::new(env!("CARGO_BIN_EXE_ckpt")).args(arguments).env("PATH", bin.path()))
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn missing_or_old_programs_are_named() {
    let container = counting("programs");
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let arguments = ["checkpoint", "programs", "-e", text(&archive)];
    let said = ckpt_with_path(&["criu"], &[], &arguments);
    assert_says(&said, &["podman is not installed", "install"]);
    let said = ckpt_with_path(&["podman", "conmon", "runc", "crun"], &[], &arguments);
    assert_says(&said, &["criu is not installed", "install"]);
    let old_podman = "#!/bin/sh\necho '[{\"Id\":\"x\"}]'\n";
    let said = ckpt_with_path(&["criu"], &[("podman", old_podman)], &arguments);
    assert_says(&said, &["podman container inspect", "podman 4.0 or newer"]);
    // So does one that is too new, unless told otherwise: then it is its answer that is not understood.
    let new_podman = "#!/bin/sh\n[ $1 = --version ] && echo podman version 6.0.0 || echo '[{\"Id\":\"x\"}]'\n";
    let said = ckpt_with_path(&["criu"], &[("podman", new_podman)], &arguments);
    assert_says(&said, &["podman 6.0.0 was never tried", "--force", "--fallback"]);
    let said = ckpt_with_path(&["criu"], &[("podman", new_podman)], &[&arguments[..], &["--force"]].concat());
    assert_says(&said, &["podman container inspect"]);
    // A criu that this kernel is too new for fails its own check and every dump.
    let old_criu = "#!/bin/sh\ncase $1 in check) echo 'Error: vdso is not understood' >&2;; esac\nexit 1\n";
    let path = &["podman", "conmon", "runc", "crun", "sh"];
    let said = ckpt_with_path(path, &[("criu", old_criu)], &arguments);
    assert_says(&said, &["criu check", "vdso is not understood", "keeps running"]);
    assert!(container.is_running() && !archive.exists());
    can_still_be_checkpointed(&container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_full_disk_costs_no_container() {
    let container = counting("full");
    let full = Mounted::tmpfs("size=1M");
    let archive = full.path().join("x.tar");
    checkpoint_fails(&container, &archive, &[], &["no space left", "keeps running"]);
    // Compressed, the size is known only in the end: the container is restored in place then.
    checkpoint_fails(&container, &archive, &["--compress", "gzip"], &["No space left", "was restored"]);
    assert_eq!(fs::read_dir(full.path()).unwrap().count(), 0);
    drop(full);
    assert_consecutive(&container.wait_for_numbers(5));
    can_still_be_checkpointed(&container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_full_disk_costs_not_even_a_container_that_podman_removes() {
    let container = Container::run("fleeting", &["--rm"], COUNT);
    container.exec("head -c 3000000 /dev/urandom > /srv/large; echo precious > /srv/file");
    let full = Mounted::tmpfs("size=1M");
    let archive = full.path().join("x.tar");
    let said = ckpt_fails(&["checkpoint", "fleeting", "-e", text(&archive), "--compress", "zstd"]);
    drop(full);
    let rescued = said.split("`ckpt restore -i ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    wait_for("podman's removal", || podman(&["ps", "-a", "--format", "{{.Names}}"]).is_empty().then_some(()));
    // The record in the storage goes a moment after podman's own.
    wait_for("the restore", || {
        run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", &rescued]).status.success().then_some(())
    });
    assert_eq!(container.exec("cat /srv/file"), "precious");
    assert_consecutive(&container.numbers());
    fs::remove_file(rescued).unwrap();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn damaged_and_foreign_archives_are_refused() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = counting("damaged");
    original.checkpoint_and_remove(&archive);
    let whole = fs::read(&archive).unwrap();
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("half", whole[..whole.len() / 2].to_vec(), "truncated"),
        ("end", whole[..whole.len() - 1024].to_vec(), "truncated"),
        ("empty", Vec::new(), "truncated"),
        ("text", vec![b'x'; 4096], "not a tar archive"),
        ("zeros", vec![0; 1024], "no checkpoint of a container: it has no config.dump"),
        ("cut.gz", gzip(&whole)[..10_000].to_vec(), "cannot be decompressed"),
    ];
    for (name, bytes, words) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let said = ckpt_fails(&["restore", "-i", text(&path), "--name", "damaged-clone"]);
        assert_says(&said, &[name, words]);
        assert_says(&ckpt_fails(&["inspect", text(&path)]), &[name, words]);
    }
    let said = ckpt_fails(&["restore", "-i", text(&folder.path().join("nothing")), "--name", "damaged-clone"]);
    assert_says(&said, &["nothing", "No such file"]);
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn names_and_volumes_in_use_are_kept() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("used-volume");
    let original = Container::run("used", &["-v", "used-volume:/data"], COUNT);
    original.exec("echo precious > /data/file");
    ckpt(&["checkpoint", "used", "-e", text(&archive), "-R"]);
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert_says(&said, &["\"used\" is already in use", "--name"]);
    let said = ckpt_fails(&["restore", "-i", text(&archive), "-n", "used"]);
    assert_says(&said, &["\"used\" is already in use"]);
    let said = ckpt_fails(&["restore", "-i", text(&archive), "-n", "other"]);
    assert_says(&said, &["volume \"used-volume\" already exists", "--ignore-volumes"]);
    assert!(original.is_running());
    assert_eq!(original.exec("cat /data/file"), "precious");
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "used");
    drop(volume);
}

/// Makes the image `localhost/base` with `content`; gives its ID.
fn import_base(folder: &Path, content: &str) -> String {
    let root = folder.join(content);
    add_busybox(&root, &["busybox"]);
    fs::write(root.join("content"), content).unwrap();
    import_image(&root, "localhost/base")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn another_or_no_base_image_is_refused() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let base = import_base(folder.path(), "first");
    podman(&["run", "-d", "--name", "based", "localhost/base", "/busybox", "sleep", "1000"]);
    let based = Container::named("based");
    based.checkpoint_and_remove(&archive);
    podman(&["untag", "localhost/base"]);
    // It is known by its ID as well.
    ckpt(&["restore", "-i", text(&archive)]);
    based.remove();
    podman(&["rmi", &base]);
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert_says(&said, &["base image localhost/base:latest", "is not here", "pull or load it"]);
    import_base(folder.path(), "second");
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert_says(&said, &["the image localhost/base:latest is ", "the container was made from"]);
    podman(&["rmi", "localhost/base"]);
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn criu_refusals_are_told_and_undone() {
    // A connection of the container to itself, which CRIU takes along only if told so.
    let talk = "sleep 1000 | nc -l -p 5000 > /tmp/heard & sleep 0.5; (echo hello; sleep 1000) | nc 127.0.0.1 5000";
    let container = Container::run("talking", &[], talk);
    wait_for("the connection", || (container.exec("cat /tmp/heard; true") == "hello").then_some(()));
    let folder = folder();
    let archive = folder.path().join("x.tar");
    checkpoint_fails(&container, &archive, &[], &["keeps running", "tcp-established"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_restore_that_criu_refuses_leaves_nothing() {
    for runtime in RUNTIMES {
        let folder = folder();
        let archive = folder.path().join("x.tar");
        let volume = Volume::named("refusing-volume");
        let original = Container::run("refusing", &["--runtime", runtime, "-v", "refusing-volume:/data"], COUNT);
        original.exec("echo precious > /data/file");
        original.checkpoint_and_remove(&archive);
        volume.remove();
        let script =
            "mkdir y && tar -C y -xf x.tar && echo broken > y/checkpoint/core-1.img && tar -C y -cf broken.tar .";
        shell_in(folder.path(), script);
        let said = ckpt_fails(&["restore", "-i", text(&folder.path().join("broken.tar")), "--name", "refusing-clone"]);
        assert_says(&said, &["broken.tar", "CRIU says"]);
        assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
        assert_eq!(podman(&["volume", "ls", "--format", "{{.Name}}"]), "");
        ckpt(&["restore", "-i", text(&archive)]);
        assert_eq!(original.exec("cat /data/file"), "precious");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_older_archive_stays_until_the_new_one_is_whole() {
    let container = counting("older");
    let folder = folder();
    let archive = folder.path().join("x.tar");
    fs::write(&archive, "older").unwrap();
    let flock = ["checkpoint", "older", "-e", text(&archive), "--reflink", "always", "--compress", "none"];
    // A hard link of the output as a witness: the old file must not be written through.
    fs::hard_link(&archive, folder.path().join("witness")).unwrap();
    ckpt(&flock);
    assert_eq!(fs::read_to_string(folder.path().join("witness")).unwrap(), "older");
    assert!(archive.metadata().unwrap().len() > 3_000_000);
    assert_eq!(archive.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    drop(container);
}
