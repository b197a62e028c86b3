//! Clones of clones, and containers that live on.

use crate::lab::*;

fn clones_of_clones_live_apart(runtime: &str) {
    let folder = folder();
    let archive = |generation: usize| folder.path().join(format!("{generation}.tar"));
    let name = |generation: usize| format!("generation-{generation}");
    let mut containers = vec![Container::run(&name(0), &["--runtime", runtime], COUNT)];
    for generation in 0..3 {
        containers[generation].exec(&format!("echo {generation} > /srv/generation-{generation}"));
        ckpt(&["checkpoint", &name(generation), "-e", text(&archive(generation)), "--leave-running"]);
        let child = Container::named(&name(generation + 1));
        ckpt(&["restore", "-i", text(&archive(generation)), "-n", &child.name]);
        containers.push(child);
    }
    for container in &containers {
        let id = container.inspect("{{.Id}}");
        assert!(container.is_running());
        assert!(container.cgroup().contains(&id), "{} is in {}", container.name, container.cgroup());
    }
    assert_eq!(containers[3].exec("cat /srv/generation-*"), "0\n1\n2");
    // Each once more, while all others run.
    for container in &containers {
        let again = folder.path().join("again.tar");
        ckpt(&["checkpoint", &container.name, "-e", text(&again), "--leave-running"]);
        assert_consecutive(&container.numbers());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn clones_of_clones_live_apart_runc() {
    clones_of_clones_live_apart("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn clones_of_clones_live_apart_crun() {
    clones_of_clones_live_apart("crun");
}

/// Appends its counter to a file as fast as it can; memory and file must be of one moment.
const APPEND: &str = "i=0; while :; do i=$((i+1)); echo $i >> /srv/appended; done";

fn a_container_left_running_is_of_one_moment(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("appending", &["--runtime", runtime], APPEND);
    wait_for("some lines", || (original.exec("wc -l < /srv/appended").parse::<u64>().ok()? > 1000).then_some(()));
    assert_eq!(ckpt(&["checkpoint", "appending", "-e", text(&archive), "-R"]), "appending");
    assert!(original.is_running());
    let in_archive = lines_in_archive(&archive);
    let clone = Container::named("appending-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "appending-clone"]);
    wait_for("more lines", || {
        (clone.exec("wc -l < /srv/appended").parse::<usize>().ok()? > in_archive + 100).then_some(())
    });
    for container in [&original, &clone] {
        podman(&["pause", &container.name]);
        let merged = podman(&["mount", &container.name]);
        let appended = std::fs::read_to_string(format!("{merged}/srv/appended")).unwrap();
        let whole_lines = appended.rsplit_once('\n').unwrap().0;
        assert_consecutive(&whole_lines.lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>());
        podman(&["umount", &container.name]);
        podman(&["unpause", &container.name]);
    }
}

fn lines_in_archive(archive: &std::path::Path) -> usize {
    let script = format!("tar -xOf {} rootfs-diff.tar | tar -xOf - srv/appended | wc -l", archive.display());
    succeed("sh", &["-c", &script]).trim().parse().unwrap()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_container_left_running_is_of_one_moment_runc() {
    a_container_left_running_is_of_one_moment("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_container_left_running_is_of_one_moment_crun() {
    a_container_left_running_is_of_one_moment("crun");
}

/// Where files are copied, the container waits for it.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_a_container_left_running_is_of_one_moment() {
    a_container_left_running_is_of_one_moment("crun");
}

/// The same number to a file, to shared memory and to a volume, one after the other.
const APPEND_EVERYWHERE: &str = "
    i=0
    while :; do
        i=$((i+1)); echo $i >> /srv/appended; echo $i >> /dev/shm/appended; echo $i >> /data/appended
    done";

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn files_shared_memory_and_volumes_are_of_the_moment_of_the_memory() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("moment-volume");
    let original = Container::run("moment", &["-v", "moment-volume:/data"], APPEND_EVERYWHERE);
    let lines = |container: &Container, path: &str| -> Vec<u64> {
        let text = container.exec(&format!("cat {path}/appended"));
        // The last line may be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| line.parse().unwrap()).collect()
    };
    wait_for("some lines", || (lines(&original, "/data").len() > 1000).then_some(()));
    ckpt(&["checkpoint", "moment", "-e", text(&archive), "-R"]);
    original.remove();
    volume.remove();
    let clone = Container::named("moment-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "moment-clone"]);
    let enough = lines(&clone, "/srv").len() + 100;
    wait_for("more lines", || (lines(&clone, "/data").len() > enough).then_some(()));
    for path in ["/srv", "/dev/shm", "/data"] {
        assert_consecutive(&lines(&clone, path));
    }
}
