//! `ckpt inspect` of what went on in a container, next to checkpointctl 1.3, which unpacks the archive and reads the same
//! images, and next to /proc while the container runs.

#[path = "inside/mod.rs"]
mod oracle;

use crate::held::{holding, make_image};
use crate::lab::*;
use oracle::{add_sockets, assert_same, ours, theirs};
use serde_json::Value;

/// Holds, besides: children, a stopped process, one with strange bytes in its environment.
const SHAPES: &str = r#"
STRANGE="$(printf 'caf\351\033[2J')" EMPTY= sh -c 'exec 5< /dev/null; while :; do read x; sleep 1; done' 'two words' "$(printf '\033]0;evil\007')" &
sh -c 'kill -STOP $$' &
mkdir -p '/srv/a b'; cd '/srv/a b'; printf 12345 > held; exec 7<> held 8>> /tmp/log 9< /data; rm held
mkfifo /srv/fifo; exec 6<> /srv/fifo
while :; do sleep 1000; done
"#;

fn names(inspected: &Value) -> Vec<&str> {
    inspected["processes"].as_array().unwrap().iter().map(|process| process["name"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_checkpoint_is_told_as_checkpointctl_tells_it() {
    make_image();
    let folder = folder();
    let archive = folder.path().join("held.tar");
    let kinds = [
        "deleted",
        "rotated",
        "nameless",
        "memory-file",
        "pipe",
        "unix-listening",
        "unix-connected",
        "waiting",
        "terminal",
        "threads",
        "system-v",
        "watch",
    ];
    let held = holding(&["-v", "held:/data"], &kinds);
    let volume = Volume::named("held");
    let living = ours(&["holding"]);
    ckpt(&["checkpoint", "holding", "-e", text(&archive)]);
    let told = ours(&[text(&archive)]);
    assert_same(&theirs(&archive), &told);
    // While it ran, /proc said the same.
    assert_eq!(names(&living), names(&told));
    drop((held, volume));

    // CRIU and this kernel may not know other sockets: they are put into the images.
    let with_sockets = folder.path().join("sockets.tar");
    add_sockets(&archive, &with_sockets);
    let told = ours(&[text(&with_sockets)]);
    assert_same(&theirs(&with_sockets), &told);
    let table = ckpt(&["inspect", text(&with_sockets), "--sockets"]);
    assert_says(
        &table,
        &["10.0.0.7:8080 → 192.168.1.2:40000", "0.0.0.0:80", "listens", "established", "udp", "netlink"],
    );
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_strange_words_and_states_are_told_as_checkpointctl_tells_them() {
    let folder = folder();
    let archive = folder.path().join("shapes.tar");
    let volume = Volume::named("shapes");
    let options = [
        "-t",
        "--tmpfs",
        "/scratch",
        "-v",
        "shapes:/data",
        "-v",
        "/etc:/host:ro",
        "--ulimit",
        "nofile=1000:2000",
        "--hostname",
        "shape",
        "-e",
        "A=b=c",
    ];
    let shapes = Container::run("shapes", &options, SHAPES);
    wait_for("the stopped process", || shapes.exec("ps -o stat").contains('T').then_some(()));
    wait_for("its files", || shapes.exec("ls /srv").contains("fifo").then_some(()));
    ckpt(&["checkpoint", "shapes", "-e", text(&archive)]);
    let told = ours(&[text(&archive)]);
    assert_same(&theirs(&archive), &told);

    // And what checkpointctl does not tell.
    let all = told["processes"].as_array().unwrap();
    let named = |name: &str| all.iter().find(|process| process["name"] == name).unwrap();
    let states: Vec<&str> = all.iter().map(|process| process["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "stopped").count(), 1, "{states:?}");
    let first = named("sh");
    assert_eq!(first["working_directory"], "/srv/a b");
    let file = |fd: u64| first["files"].as_array().unwrap().iter().find(|file| file["fd"] == fd).unwrap();
    assert_eq!(
        (&file(7)["path"], &file(7)["deleted"], &file(7)["access"]),
        (&"/srv/a b/held".into(), &true.into(), &"read_write".into())
    );
    assert_eq!((&file(6)["kind"], &file(6)["path"]), (&"fifo".into(), &"/srv/fifo".into()));
    assert_eq!(file(0)["kind"], "terminal");
    let nofile = first["limits"].as_array().unwrap().iter().find(|limit| limit["name"] == "nofile").unwrap();
    assert_eq!((&nofile["soft"], &nofile["hard"]), (&1000.into(), &2000.into()));
    let strange = all.iter().find(|process| process["command_line"][3] == "two words").unwrap();
    assert_eq!(strange["command_line"][4], "\u{1b}]0;evil\u{7}");
    let environment = strange["environment"].to_string();
    assert!(
        environment.contains("\"EMPTY=\"") && environment.contains("535452414e47453d636166e91b5b324a"),
        "{environment}"
    );
    let mounted = told["mounts"]["mounted"].as_array().unwrap();
    let mount = |at: &str| mounted.iter().find(|mount| mount["mount_point"] == at).unwrap();
    assert_eq!((&mount("/scratch")["file_system"], &mount("/host")["read_only"]), (&"tmpfs".into(), &true.into()));
    assert_eq!(mount("/data")["external"], true);
    let uts = told["namespaces"].as_array().unwrap().iter().find(|namespace| namespace["type"] == "uts").unwrap();
    assert_eq!((&uts["host_name"], uts["pids"].as_array().unwrap().len()), (&"shape".into(), all.len()));

    for format in ["table", "tree"] {
        let shown = ckpt(&["inspect", text(&archive), "--all", "--format", format]);
        assert!(!shown.contains('\x1b'), "no escape sequence reaches a terminal: {shown:?}");
        assert_says(&shown, &[r"caf\xe9\u{1b}[2J", "stopped", "/srv/a b/held", "nofile", "shape"]);
    }
    drop((shapes, volume));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_one_that_has_ended_is_told_also_in_podmans_own_archive() {
    let folder = folder();
    let archive = folder.path().join("ended.tar");
    // checkpointctl 1.3 fails on it: it looks for the files of a process that has none.
    let ended = Container::run("ended", &[], "sleep 0 & exec sleep 1000");
    wait_for("its end", || ended.exec("ps -o stat").contains('Z').then_some(()));
    let living = ours(&["ended"]);
    podman(&["container", "checkpoint", "ended", "-e", text(&archive), "--compress", "zstd"]);
    let told = ours(&[text(&archive)]);
    for told in [&living, &told] {
        let zombie = &told["processes"][1];
        assert_eq!(
            (&zombie["state"], &zombie["parent_pid"], &zombie["threads"]),
            (&"zombie".into(), &1.into(), &serde_json::json!([]))
        );
    }
    assert_eq!(names(&living), names(&told));
    assert_eq!(told["statistics"]["ckpt"], Value::Null);

    let only = ours(&[text(&archive), "--pid", &told["processes"][1]["pid"].to_string()]);
    assert_eq!(only["processes"].as_array().unwrap().len(), 1);
    assert_says(&ckpt_fails(&["inspect", text(&archive), "--pid", "4000000"]), &["no process 4000000", "--ps"]);

    // It does not run any more, and podman still has it.
    let stopped = ours(&["ended"]);
    assert_eq!((&stopped["status"], &stopped["processes"]), (&"exited".into(), &serde_json::json!([])));
    ended.remove();
    assert_says(&ckpt_fails(&["inspect", "ended"]), &["there is no file ended", "container"]);
}
