//! What a container may have open or running: each row of `ckpt-core/docs/what-a-container-may-hold.md`.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::held::{holding, make_image, wrong};
use crate::lab::*;

/// What CRIU takes as it comes, or as `ckpt` configures it.
const TAKEN: [&str; 26] = [
    "deleted",
    "deleted-shm",
    "deleted-tmpfs",
    "deleted-volume",
    "deleted-mapped",
    "deleted-of-image",
    "deleted-program",
    "deleted-sparse",
    "deleted-with-folder",
    "deleted-cwd",
    "other-name-left",
    "other-name-left-volume",
    "rotated",
    "nameless",
    "memory-file",
    "pipe",
    "unix-listening",
    "unix-connected",
    "descriptor-on-its-way",
    "waiting",
    "terminal",
    "children",
    "threads",
    "system-v",
    "watch",
    "watch-of-image",
];

/// What CRIU refuses whatever it is told, and what is said about it.
const REFUSED: [(&str, &[&str]); 11] = [
    ("unix-unaccepted", &["waits to be accepted", "try again"]),
    ("unix-of-host", &["Unix socket is connected to a process outside"]),
    ("locked", &["holds a file lock", "--file-locks"]),
    ("leased", &["holds a file lock", "--file-locks"]),
    ("traced", &["is traced by another"]),
    ("io_uring", &["io_uring"]),
    ("userfaultfd", &["[userfaultfd]"]),
    ("bpf", &["bpf-map"]),
    ("perf", &["[perf_event]"]),
    ("pid-namespace", &["has a PID namespace of its own"]),
    ("user-namespace", &["has a user namespace of its own"]),
];

/// Names that CRIU gave files for the time of the dump, anywhere the container keeps files.
fn names_of_criu(container: &Container) -> String {
    container.exec("busybox find / /data -xdev -name 'link_remap*'")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn what_criu_can_take_is_taken_and_comes_back() {
    make_image();
    for runtime in RUNTIMES {
        let folder = folder();
        let [archive, other] = ["x.tar", "other.tar"].map(|name| folder.path().join(name));
        let volume = Volume::named("held");
        let container = holding(&["--runtime", runtime, "-v", "held:/data"], &TAKEN);
        ckpt(&["checkpoint", "--leave-running", "holding", "-e", text(&other)]);
        assert_eq!(names_of_criu(&container), "", "left running by {runtime}");
        container.checkpoint_and_remove(&archive);
        volume.remove();
        ckpt(&["restore", "-i", text(&archive)]);
        assert_eq!(wrong(&container), [""; 0], "{runtime}");
        assert_eq!(names_of_criu(&container), "", "restored by {runtime}");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_criu_cannot_take_is_told_in_a_line_and_costs_nothing() {
    make_image();
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let host = tempfile::tempdir_in("/var/tmp").unwrap();
    let _listening = UnixListener::bind(host.path().join("socket")).unwrap();
    let mount = format!("{}:/host", text(host.path()));
    let options = ["--privileged", "--security-opt", "seccomp=unconfined", "-v", &mount];
    for (name, words) in REFUSED {
        // What CRIU had named anew by then gets its name back.
        let container = holding(&options, &["other-name-left", name]);
        let said = ckpt_fails(&["checkpoint", "holding", "-e", text(&archive)]);
        assert!(said.len() < 300 && !said.contains("exit status"), "{name}: {said}");
        for word in words.iter().chain(&["checkpoint of \"holding\" failed", "keeps running"]) {
            assert!(said.contains(word), "{name}: {word:?} is not in {said}");
        }
        assert_eq!(names_of_criu(&container), "", "{name}");
        assert!(wrong(&container).is_empty() && !archive.exists(), "{name}");
        container.remove();
    }
}

/// What an administrator forbids stays forbidden, and the words of the programs stand below ours.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_the_administrator_says_goes_before() {
    make_image();
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = holding(&["-v", "held:/data"], &["deleted"]);
    let default = Path::new("/etc/criu/default.conf");
    let before = fs::read_to_string(default).unwrap_or_default();
    fs::write(default, format!("{before}\nghost-limit 2M\n")).unwrap();
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", "holding", "-e", text(&archive)]);
    fs::write(default, before).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].contains("/srv/deleted/x is deleted but open, 5 MiB") && lines[0].contains("`ghost-limit`"),
        "{said}"
    );
    assert!(!lines[0].contains("exit status") && lines[0].len() < 300, "{said}");
    assert!(lines[1].starts_with("  podman: ") && lines[2].starts_with("  criu: (criu/files-reg.c:"), "{said}");
    assert!(lines.last().unwrap().ends_with("/dump.log"), "{said}");
    ckpt(&["checkpoint", "holding", "-e", text(&archive)]);
    drop(container);
    Volume::named("held").remove();
}

/// Images of an earlier dump, of a process that has ended since, do not get into the next archive.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_images_of_an_earlier_dump_are_not_taken_for_this_ones() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let script = "busybox sleep 1000 & while ! [ -e /srv/kill ]; do sleep 0.1; done; kill $!; wait; : > /srv/killed; exec sleep 1000";
        let container = Container::run("twice", &["--runtime", runtime], script);
        let cores = || -> Vec<String> {
            let members = ckpt(&["ls", text(&archive)]);
            members.lines().filter(|member| member.contains("checkpoint/core-")).map(str::to_owned).collect()
        };
        podman(&["container", "checkpoint", "--leave-running", "twice"]);
        ckpt(&["checkpoint", "--leave-running", "twice", "-e", text(&archive)]);
        let with_child = cores().len();
        container.exec("touch /srv/kill");
        wait_for("the child's end", || (container.exec("ls /srv/killed 2>&1; true") == "/srv/killed").then_some(()));
        ckpt(&["checkpoint", "--leave-running", "twice", "-e", text(&archive)]);
        assert!(cores().len() < with_child, "{runtime}: {:?}", cores());
        container.remove();
        ckpt(&["restore", "-i", text(&archive)]);
    }
}

/// What programs measure time by does not see how long the container was away: CRIU sets back the clocks of a time
/// namespace (time_namespaces(7)).
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_monotonic_clock_goes_on_where_it_was() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    for runtime in RUNTIMES {
        let container = Container::run("timed", &["--runtime", runtime], COUNT);
        container.wait_for_numbers(1);
        ckpt(&["checkpoint", "timed", "-e", text(&archive)]);
        container.remove();
        ckpt(&["restore", "-i", text(&archive)]);
        let offsets =
            fs::read_to_string(format!("/proc/{}/timens_offsets", container.inspect("{{.State.Pid}}"))).unwrap();
        let seconds = offsets.lines().find_map(|line| line.strip_prefix("monotonic")?.split_whitespace().next());
        assert!(seconds.is_some_and(|seconds| seconds.parse::<i64>().unwrap() < 0), "{runtime}: {offsets}");
        fs::remove_file(&archive).unwrap();
    }
}
