//! `ckpt serve` where podman does the work, is slow, or is gone; and with clients that send slowly.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::lab::*;
use crate::served::*;

fn start_curl(socket: &Path, arguments: &[&str]) -> Child {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-X", "POST", "--unix-socket", text(socket)]).args(arguments);
    curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_who_sends_slowly_holds_nobody_up() {
    let folder = folder();
    let archive = folder.path().join("web.tar");
    let web = Container::run("web", &[], COUNT);
    ckpt(&["checkpoint", "web", "-R", "-e", text(&archive)]);
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    let restore = |name: &str| format!("{CONTAINERS}/import/restore?import=true&name={name}");
    let slow = ["-T", text(&archive), "--limit-rate", "1k"];
    let mut senders: Vec<Child> = (0..8)
        .map(|number| start_curl(&served.socket, &[&slow[..], &[&restore(&format!("slow-{number}"))]].concat()))
        .collect();
    wait_for("them to be under way", || (served.descriptors() > 8 * 3).then_some(()));
    let checkpoint = format!("{CONTAINERS}/web/checkpoint?export=true&leaveRunning=true");
    assert_eq!(served.curl(&["-X", "POST", &checkpoint]).unwrap().status, 200);
    let again = Container::named("again");
    assert_eq!(served.curl(&["-X", "POST", "-T", text(&archive), &restore("again")]).unwrap().status, 200);
    assert!(again.goes_on());
    again.remove();
    // They are still at it, and nothing was made for them. Some go, and the service ends for the others.
    for sender in &mut senders {
        assert!(sender.try_wait().unwrap().is_none());
    }
    for sender in &mut senders[..4] {
        sender.kill().unwrap();
    }
    wait_for("their ends", || (served.notes().len() == 6).then_some(()));
    assert_eq!(served.end(), Some(0));
    for mut sender in senders {
        sender.wait().unwrap();
    }
    let failed = served.notes().iter().filter(|note| note["result"] == "failed").count();
    assert_eq!(failed, 8);
    assert!(web.goes_on());
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_podman_that_is_slow_or_gone_is_waited_for_or_told() {
    let folder = tempfile::tempdir_in("/run").unwrap();
    let socket = folder.path().join("podman.sock");
    let silent = UnixListener::bind(&socket).unwrap();
    let mut served = Served::with(&["--upstream", text(&socket)], |_| {});
    let checkpoint = format!("{CONTAINERS}/web/checkpoint?export=true");
    let restore = format!("{CONTAINERS}/import/restore?import=true");
    // It takes the call, and says nothing: whoever waits for it may go, and others are answered.
    for arguments in [&["http://d/_ping"][..], &["-X", "POST", &checkpoint], &["-X", "POST", "-d", "words", &restore]] {
        assert!(served.curl(&[&["--max-time", "1"], arguments].concat()).is_none(), "{arguments:?}");
    }
    assert_eq!(served.curl(&["http://d/metrics"]).unwrap().status, 200);
    wait_for("descriptors to be closed", || (served.descriptors() < 20).then_some(()));
    // It goes in the middle of a call.
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| served.curl(&["http://d/_ping"]).unwrap());
        silent.set_nonblocking(true).unwrap();
        wait_for("the call to break off", || {
            while silent.accept().is_ok() {}
            asked.is_finished().then_some(())
        });
        asked.join().unwrap()
    });
    assert_eq!(answer.status, 502);
    // Then it is not there at all.
    drop(silent);
    fs::remove_file(&socket).unwrap();
    assert_eq!(served.curl(&["-X", "POST", &checkpoint]).unwrap().status, 502);
    // And is there again, though slowly.
    let podmans = PodmanService::begin();
    std::os::unix::fs::symlink(&podmans.socket, &socket).unwrap();
    assert_eq!(served.curl(&["http://d/_ping"]).unwrap().body, b"OK");
    assert_eq!(served.end(), Some(0));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_with_another_storage_podman_does_it() {
    let folder = folder();
    let conf = folder.path().join("storage.conf");
    let [graph, run_root, root] = ["graph", "run", "rootfs"].map(|name| folder.path().join(name));
    let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = {graph:?}\nrunroot = {run_root:?}\n");
    fs::write(&conf, storage).unwrap();
    add_busybox(&root, &["busybox"]);
    let served = Served::with(&[], |command| {
        command.env("CONTAINERS_STORAGE_CONF", &conf);
    });
    let vfs = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).env("CONTAINERS_STORAGE_CONF", &conf).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    vfs("sh", &["-c", &format!("tar -c -C {} . | podman import - localhost/small", root.display())]);
    let count = ["/busybox", "sh", "-c", "while :; do /busybox sleep 1; done"];
    vfs("podman", &[&["run", "-d", "--network", "none", "--name", "vfs", "localhost/small"][..], &count].concat());
    let archive = folder.path().join("x.tar");
    let url = format!("{CONTAINERS}/vfs/checkpoint?export=true&leaveRunning=true");
    let answer = served.curl(&["-X", "POST", &url]).unwrap();
    assert_eq!(answer.status, 200);
    fs::write(&archive, &answer.body).unwrap();
    // podman's own: it has no description of ours.
    let members = succeed("tar", &["-tf", text(&archive)]);
    assert!(members.contains("rootfs-diff.tar") && !members.contains("ckpt.json"), "{members}");
    let url = format!("{CONTAINERS}/import/restore?import=true&name=again");
    let answer = served.curl(&["-X", "POST", "-T", text(&archive), &url]).unwrap();
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(vfs("podman", &["container", "inspect", "--format", "{{.State.Status}}", "again"]), "running");
    // Into a file that a client lends, it does so if it may.
    let ours = |more: &[&str]| {
        let url = served.url();
        let arguments = [&["--url", &url, "checkpoint", "vfs", "-e", text(&archive)], more].concat();
        run(env!("CARGO_BIN_EXE_ckpt"), &arguments)
    };
    assert_says(&String::from_utf8(ours(&["-R"]).stderr).unwrap(), &["storage driver is vfs", "--fallback"]);
    let output = ours(&["-R", "--fallback"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_says(&succeed("tar", &["-tf", text(&archive)]), &["rootfs-diff.tar"]);
    let output = run(
        "bash",
        &[
            "-ec",
            "\"$0\" --url \"$1\" restore -n third --fallback -i - < \"$2\"",
            env!("CARGO_BIN_EXE_ckpt"),
            &served.url(),
            text(&archive),
        ],
    );
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    vfs("podman", &["rm", "--force", "--time", "0", "vfs", "again", "third"]);
    vfs("podman", &["rmi", "--force", "localhost/small"]);
}
