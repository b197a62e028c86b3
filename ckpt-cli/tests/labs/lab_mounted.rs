//! What podman does when it mounts a container's root and volumes does not come on top of what was restored.
//! The whole of it is in `ckpt-core/docs/what-podman-touches.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::lab::*;

const SEEDED: &str = "localhost/seeded";

/// The usual image with a folder that podman copies into new volumes, another that belongs to somebody, and a time zone.
const SEED: &str = "
    mkdir -p data data2 owned usr/share/zoneinfo/Europe; echo seed | tee data/seed > data2/seed; chmod 750 data
    chown 34:34 owned; chmod 711 owned; echo zone > usr/share/zoneinfo/Europe/Rome
";

fn make_seeded() {
    let maker = Container::named("seeded-maker");
    podman(&["create", "--name", &maker.name, IMAGE]);
    maker.change_from_outside(SEED);
    podman(&["commit", "--quiet", &maker.name, SEEDED]);
}

/// A container of that image that counts, in which root makes `changes`. CRIU uses /tmp, and so changes its time.
fn changed(name: &str, options: &[&str], changes: &str) -> Container {
    // CRIU makes the deleted file again for a moment.
    let count = "mkdir /srv/g; exec 3>/srv/g/f; rm /srv/g/f; i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    let options = [&["--network", "none", "--tmpfs", "/tmp"], options].concat();
    let container = Container::run_image(name, &options, SEEDED, &["sh", "-c", count]);
    container.wait_for_numbers(2);
    podman(&["exec", name, "sh", "-ec", changes]);
    podman(&["exec", name, "touch", "-d", "2003-04-05 06:07:08", "/srv/g"]);
    container
}

/// Checkpoints a container, removes it, and restores it from what `edit` makes of its archive.
fn cycle(container: &Container, edit: fn(&Path, &Path)) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    container.checkpoint_and_remove(&archive);
    edit(folder.path(), &archive);
    ckpt(&["restore", "-i", text(&archive)]);
    let count = container.numbers().len();
    assert_consecutive(&container.wait_for_numbers(count + 2));
}

/// Makes the container of `archive` one of a user and group that are in none of its files: podman adds them whenever it
/// sets it up. CRIU cannot dump another user's processes in the lab, so that the container had none such.
fn add_user(folder: &Path, archive: &Path) {
    let members = folder.join("members");
    std::fs::create_dir(&members).unwrap();
    succeed("tar", &["-C", text(&members), "-xf", text(archive)]);
    let config = members.join("config.dump");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    json["user"] = "1234:77".into();
    std::fs::write(&config, json.to_string()).unwrap();
    succeed("sh", &["-ec", "cd $1; tar --format=posix -cf $2 *", "sh", text(&members), text(archive)]);
}

/// Owner and mode of the root, the links in /etc, and the lists of users, to which podman adds.
fn root_and_links_come_back(runtime: &str) {
    make_seeded();
    let options = ["--runtime", runtime, "--tz", "Europe/Rome"];
    let changes = "
        chown 1000:1000 /; chmod 1777 /; rm /etc/mtab /etc/localtime; echo new:x:7: > /etc/group; chmod 600 /etc/passwd
        touch -d '2002-03-04 05:06:07' /etc /
    ";
    let container = changed("links", &options, changes);
    let tree = container.tree();
    assert!(tree[Path::new("")].starts_with("41777 1000:1000 "), "{}", tree[Path::new("")]);
    cycle(&container, add_user);
    assert_same_tree(&tree, &container.tree());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_root_and_links_come_back() {
    RUNTIMES.into_iter().for_each(root_and_links_come_back);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_removed_etc_stays_removed() {
    make_seeded();
    for runtime in RUNTIMES {
        let options = ["--runtime", runtime, "--no-hosts", "--no-hostname"];
        let container = changed("without-etc", &options, "rm -r /etc; touch -d '2002-03-04 05:06:07' /");
        let tree = container.tree();
        assert!(!tree.contains_key(Path::new("etc")));
        cycle(&container, |_, _| ());
        assert_same_tree(&tree, &container.tree());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_read_only_root_stays_read_only() {
    let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let container = Container::run("resting", &["--runtime", runtime, "--read-only"], count);
        let seen = || container.exec("touch /x 2> /dev/null || echo refused; touch /run/x /tmp/x && echo written");
        assert_eq!(seen(), "refused\nwritten");
        container.checkpoint_and_remove(&archive);
        ckpt(&["restore", "-i", text(&archive)]);
        assert_eq!(seen(), "refused\nwritten", "{runtime}");
        assert!(container.goes_on());
        fs::remove_file(&archive).unwrap();
    }
}

/// podman would write zeros for the hole, which is larger than the memory, and knows no path that long.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_files_in_dev_shm_come_back_that_podman_cannot_unpack() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let down = "cd /dev/shm; n=$(printf 'd%.0s' $(seq 200)); for i in $(seq 21); do mkdir -p $n; cd $n; done";
    for runtime in RUNTIMES {
        let container = Container::run("sparing", &["--runtime", runtime], COUNT);
        container.exec(&format!("dd if=/dev/null of=/dev/shm/sparse bs=1M seek=100; {down}; echo deep > file"));
        let seen = || {
            let deep = container.exec(&format!("{down}; cat file"));
            (deep, container.exec("stat -c '%s %b' /dev/shm/sparse"))
        };
        let before = seen();
        assert_eq!(before, ("deep".to_owned(), "104857600 0".to_owned()));
        container.checkpoint_and_remove(&archive);
        ckpt(&["restore", "-i", text(&archive)]);
        assert_eq!(seen(), before, "{runtime}");
        assert!(container.goes_on());
        fs::remove_file(&archive).unwrap();
    }
}

/// What podman copied into new volumes was removed, and their roots changed hands.
fn volumes_come_back(runtime: &str) {
    make_seeded();
    let volumes = ["emptied", "filled", "owned", "new"].map(Volume::named);
    let places = ["emptied:/data", "filled:/data2", "owned:/owned", "new:/new/deep"];
    let mounts: Vec<&str> = places.iter().flat_map(|place| ["-v", place]).collect();
    let changes = "
        chown 5:6 /dev/shm; chmod 1700 /dev/shm; echo x > /dev/shm/x; touch -d '2001-02-03 04:05:06' /dev/shm
        rm /data/seed; mv /data2/seed /data2/own; touch -d '2001-02-03 04:05:06' /data2/own
        chown 7:8 /data /data2 /new/deep; chmod 1700 /data /data2 /new/deep; mkdir /owned/x; rmdir /owned/x
        touch -d '2002-03-04 05:06:07' /data /data2 /owned /new/deep
    ";
    let container = changed("volumes", &[&["--runtime", runtime], &mounts[..]].concat(), changes);
    let memory = || describe_tree(&Path::new(&container.inspect("{{.OCIConfigPath}}")).with_file_name("shm"));
    let seen = || (container.tree(), volumes.each_ref().map(Volume::tree));
    let (tree, trees) = seen();
    let shm = memory();
    assert_eq!(trees.each_ref().map(BTreeMap::len), [1, 2, 1, 1]);
    cycle(&container, |_, _| drop(podman(&["volume", "rm", "emptied", "filled", "owned", "new"])));
    let (restored, filled) = seen();
    assert_same_tree(&tree, &restored);
    assert_same_tree(&shm, &memory());
    (trees.iter().zip(&filled)).for_each(|(before, after)| assert_same_tree(before, after));

    podman(&["restart", "--time", "0", "volumes"]);
    podman(&["stop", "--time", "0", "volumes"]);
    podman(&["start", "volumes"]);
    for (volume, before) in volumes.iter().zip(&trees).filter(|(volume, _)| volume.name != "owned") {
        assert_same_tree(before, &volume.tree());
    }
    // Nor when it is emptied later.
    container.exec("rm /data2/own; chown 9:9 /data2");
    let emptied = volumes[1].tree();
    podman(&["stop", "--time", "0", "volumes"]);
    podman(&["start", "volumes"]);
    assert_same_tree(&emptied, &volumes[1].tree());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn volumes_come_back_runc() {
    volumes_come_back("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_volumes_come_back_crun() {
    volumes_come_back("crun");
}
