//! Who may use `ckpt serve`, and when it begins and ends.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::lab::*;
use crate::served::*;

const FOLDER: &str = "/run/ckpt";
const SOCKET: &str = "/run/ckpt/ckpt.sock";

/// A group of the lab's that other tests do not have, with its one member.
struct Members;

impl Members {
    const GROUP: &str = "ckpt-operators";

    fn made() -> Self {
        succeed("groupadd", &["--gid", "4711", Members::GROUP]);
        Members
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        succeed("groupdel", &[Members::GROUP]);
    }
}

/// Runs curl as user 1000 in these groups; gives its exit status and what it got.
fn curl_as_user(groups: &str, socket: &str) -> (i32, String) {
    let user = ["--reuid", "1000", "--regid", "1000", "--groups", groups];
    let curl = ["curl", "-s", "--unix-socket", socket, "http://d/_ping"];
    let output = run("setpriv", &[&user[..], &curl].concat());
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// Looks at modes and owners all the time while `work` is done; gives all that were seen.
fn watched(paths: &[&str], work: impl FnOnce()) -> Vec<(String, u32, u32)> {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Vec::new();
            while !is_done.load(Ordering::Relaxed) {
                for path in paths {
                    let found = fs::symlink_metadata(path)
                        .map(|found| ((*path).to_owned(), found.mode() & 0o7777, found.gid()));
                    seen.extend(found.ok().filter(|found| !seen.contains(found)));
                }
            }
            seen
        });
        work();
        is_done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    })
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_group_may_connect_and_nobody_else_at_any_moment() {
    let group = Members::made();
    let seen = watched(&[FOLDER, SOCKET, "/run/ckpt/ckpt.sock.new"], || {
        for umask in ["0000", "0777", "0022"] {
            let script = format!("umask {umask}; exec \"$1\" serve --group {} 2> /dev/null", Members::GROUP);
            let mut service =
                Command::new("bash").args(["-c", &script, "bash", env!("CARGO_BIN_EXE_ckpt")]).spawn().unwrap();
            let answer = wait_for("an answer", || curl(Path::new(SOCKET), &["http://d/_ping"]));
            assert_eq!(answer.body, b"OK");
            assert_eq!(curl_as_user("4711", SOCKET), (0, "OK".to_owned()));
            // 7: could not connect.
            assert_eq!(curl_as_user("1000", SOCKET), (7, String::new()));
            let pid = rustix::process::Pid::from_child(&service);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            assert!(service.wait().unwrap().success());
            assert!(!Path::new(SOCKET).exists());
        }
    });
    let allowed = |(path, mode, gid): &(String, u32, u32)| match &path[..] {
        FOLDER => matches!((mode, gid), (0o700 | 0o750, 0) | (0o700 | 0o750, 4711)),
        SOCKET => (mode, gid) == (&0o660, &4711),
        // Root's group, then the group.
        _ => *mode == 0o660 && matches!(gid, 0 | 4711),
    };
    assert!(seen.iter().all(allowed), "{seen:?}");
    assert!(seen.iter().any(|(path, ..)| path == SOCKET));
    // Nobody but root can lock what runs lock.
    let container = Container::run("web", &[], COUNT);
    ckpt(&["checkpoint", "web", "-R", "-e", text(&folder().path().join("x.tar"))]);
    assert_eq!(fs::metadata("/run/ckpt/sessions").unwrap().permissions().mode() & 0o777, 0o700);
    drop((container, group));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_it_serves_at_one_place_counts_and_ends_when_nobody_comes() {
    let mut served = Served::with(&["--time", "1"], |_| {});
    let twice = ckpt_fails(&["serve", &served.url()]);
    assert_says(&twice, &["another `ckpt serve`"]);
    assert_says(&ckpt_fails(&["serve", &served.url(), "--group", "no-such-group"]), &["no-such-group", "groupadd"]);
    assert_says(&ckpt_fails(&["serve", "/etc/passwd"]), &["/etc/passwd", "no socket"]);
    // useradd(8) would wait for it.
    assert!(!Path::new("/etc/passwd.lock").exists());
    // A connection keeps it alive, and so does a checkpoint.
    let container = Container::run("web", &[], COUNT);
    let url = format!("{CONTAINERS}/web/checkpoint?export=true&leaveRunning=true");
    assert_eq!(served.curl(&["-X", "POST", &url]).unwrap().status, 200);
    let counted = String::from_utf8(served.curl(&["http://d/metrics"]).unwrap().body).unwrap();
    assert_says(
        &counted,
        &["ckpt_checkpoints_total 1\n", "ckpt_restores_total 0\n", "ckpt_lazy_memory_bytes 0\n", "# EOF"],
    );
    assert!(
        !counted.contains("ckpt_cloned_bytes_total 0") && !counted.contains("ckpt_frozen_seconds_total 0.0\n"),
        "{counted}"
    );
    assert_eq!(served.wait_for_end(), Some(0));
    assert!(!served.socket.exists());
    drop(container);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_only_root_can_serve() {
    let folder = folder();
    let output = ckpt_as_user(folder.path(), &["serve", text(&folder.path().join("x.sock"))]);
    assert_says(&String::from_utf8(output.stderr).unwrap(), &["only root"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_systemd_starts_it_at_the_first_connection() {
    let folder = tempfile::tempdir_in("/run").unwrap();
    let socket = folder.path().join("passed.sock");
    let mut activate = Command::new("systemd-socket-activate");
    activate.args(["--listen", text(&socket), "--fdname", "ckpt", env!("CARGO_BIN_EXE_ckpt"), "serve", "--time", "1"]);
    let mut service = activate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answer = wait_for("an answer", || curl(&socket, &["http://d/_ping"]));
    assert_eq!((answer.status, &answer.body[..]), (200, &b"OK"[..]));
    assert!(service.wait().unwrap().success());
    // It is systemd's.
    assert!(socket.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_systemd_accepts_the_units() {
    let folder = tempfile::tempdir_in("/run").unwrap();
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("ckpt-serve/systemd");
    let verified = ["ckpt.socket", "ckpt.service"].map(|name| {
        let unit = fs::read_to_string(units.join(name)).unwrap().replace("/usr/bin/ckpt", env!("CARGO_BIN_EXE_ckpt"));
        let path = folder.path().join(name);
        fs::write(&path, unit).unwrap();
        path
    });
    let output = run("systemd-analyze", &["verify", text(&verified[0]), text(&verified[1])]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && !said.contains("ckpt."), "{said}");
    // A setting that systemd does not know would be told.
    fs::write(
        &verified[1],
        fs::read_to_string(&verified[1]).unwrap().replace("KillMode=process", "KillMode=none-such"),
    )
    .unwrap();
    let output = run("systemd-analyze", &["verify", text(&verified[1])]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("none-such"));
}
