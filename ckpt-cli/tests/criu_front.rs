//! `ckpt` in the place of CRIU, where a runtime finds it first, without a runtime.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `look` until it gives something, or until it is certain that it never will.
fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return Some(found);
        }
        sleep(Duration::from_millis(10));
    }
    None
}

/// Whether it waits; before it becomes CRIU, it waits for the request alone.
fn sleeps(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('S')
}

#[test]
fn a_runtime_that_dies_before_it_has_sent_its_request_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let [session, installed] = ["session", "installed"].map(|name| folder.path().join(name));
    fs::create_dir_all(session.join("bin")).unwrap();
    fs::create_dir(&installed).unwrap();
    symlink(env!("CARGO_BIN_EXE_ckpt"), session.join("bin/criu")).unwrap();
    fs::write(session.join("criu.conf"), "lazy-pages\n").unwrap();
    fs::write(installed.join("criu"), "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(installed.join("criu"), fs::Permissions::from_mode(0o755)).unwrap();
    let (runtimes, crius) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let mut criu = Command::new(session.join("bin/criu"))
        .args(["swrk", "0"])
        .env("PATH", format!("{}:{}", session.join("bin").display(), installed.display()))
        .stdin(Stdio::from(crius))
        .spawn()
        .unwrap();
    assert!(wait_for(|| sleeps(&criu).then_some(())).is_some());
    drop(runtimes);
    let ended = wait_for(|| criu.try_wait().unwrap());
    let _ = criu.kill();
    criu.wait().unwrap();
    assert_eq!(ended.expect("it waits for nobody").code(), Some(7), "it becomes the installed CRIU");
}
