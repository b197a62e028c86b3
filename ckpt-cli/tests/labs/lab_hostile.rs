//! Containers and archives that mean harm.

use std::fs;

use crate::lab::*;

/// An archive of a container with one more member, made by GNU tar from a shell script that leaves it as `add`.
fn archive_with(script: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("hostile", &[], COUNT);
    original.checkpoint_and_remove(&archive);
    shell_in(folder.path(), script);
    (folder, archive)
}

fn is_refused(script: &str, words: &str) {
    let (_folder, archive) = archive_with(script);
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert!(said.contains(words), "{said}");
    assert_eq!(podman(&["ps", "-a", "--format", "{{.Names}}"]), "");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn links_among_the_images_are_refused() {
    let victim = "/var/tmp/victim";
    fs::write(victim, "untouched").unwrap();
    for spelling in ["checkpoint/./cgroup.img", "checkpoint/cgroup.img2", "./checkpoint//cgroup.img"] {
        let transform = format!("--transform 's|^link$|{spelling}|' --absolute-names");
        is_refused(&format!("ln -sf {victim} link && tar -rf x.tar {transform} link"), "it is refused");
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    fs::remove_file(victim).unwrap();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_link_to_earlier_images_leads_there_and_nowhere_else() {
    let add = "tar -rf x.tar --transform 's|^parent$|checkpoint/parent|' --absolute-names parent";
    is_refused(&format!("ln -s ../../../../../etc parent && {add}"), "it is refused");
    is_refused(&format!("ln -s ../pre-checkpoint parent && {add}"), "--import-previous");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn members_given_twice_are_refused() {
    is_refused("echo '{}' > config.dump && tar -rf x.tar config.dump", "\"config.dump\" twice");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn names_that_are_paths_are_refused() {
    let remake = |edit: &str| {
        format!("mkdir y && tar -C y -xf x.tar && sed -i '{edit}' y/config.dump && tar -C y -cf x.tar . && rm -r y")
    };
    is_refused(&remake(r#"s/"name": "hostile"/"name": "..\/..\/x"/"#), "no name that podman gives");
    is_refused(&remake(r#"s/^  "id": "[0-9a-f]*"/  "id": "..\/..\/x"/"#), "no name that podman gives");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn diffs_cannot_climb_out() {
    let victim = "/mnt/climbed";
    let remake = "mkdir y d && tar -C y -xf x.tar && ln -s / d/out && tar -C d -cf y/rootfs-diff.tar out";
    let climb = "touch f && tar -rf y/rootfs-diff.tar --transform 's|^f$|out/mnt/climbed|' f && tar -C y -cf x.tar .";
    is_refused(&format!("{remake} && {climb}"), "a symbolic link");
    assert!(!std::path::Path::new(victim).exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn deletions_cannot_climb_out() {
    let remake = "mkdir y && tar -C y -xf x.tar && echo '[\"/../../../../../../../etc/passwd\"]' > y/deleted.files";
    is_refused(&format!("{remake} && tar -C y -cf x.tar ."), "not a plain path");
    assert!(std::path::Path::new("/etc/passwd").exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn more_attributes_than_readers_take_are_refused_in_time() {
    let folder = folder();
    let container = Container::run("attributes", &[], COUNT);
    container.exec("echo x > /srv/file");
    let merged = podman(&["mount", "attributes"]);
    let value = vec![b'v'; 15_000];
    let flags = rustix::fs::XattrFlags::empty();
    // BTRFS and XFS hold this many on one file.
    for number in 0..100 {
        rustix::fs::setxattr(format!("{merged}/srv/file"), format!("user.{number}"), &value, flags).unwrap();
    }
    let said = ckpt_fails(&["checkpoint", "attributes", "-e", text(&folder.path().join("x.tar"))]);
    assert!(said.contains("srv/file") && said.contains("extended attributes"), "{said}");
    assert!(container.is_running());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn what_the_user_mounted_at_dev_shm_is_not_taken() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    fs::create_dir(folder.path().join("host")).unwrap();
    fs::write(folder.path().join("host/secret"), "secret").unwrap();
    let mount = format!("{}:/dev/shm", folder.path().join("host").display());
    let container = Container::run("mounted", &["-v", &mount], COUNT);
    ckpt(&["checkpoint", "mounted", "-e", text(&archive)]);
    let script = format!("tar -xOf {} devshm-checkpoint.tar | tar -tf -", archive.display());
    assert!(!succeed("sh", &["-c", &script]).contains("secret"));
    drop(container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn devices_are_no_place_for_an_archive() {
    let container = Container::run("to-null", &[], COUNT);
    let said = ckpt_fails(&["checkpoint", "to-null", "-e", "/dev/null"]);
    assert!(said.contains("/dev/null is no regular file"), "{said}");
    assert!(container.is_running());
}
