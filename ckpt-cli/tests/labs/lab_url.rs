//! `ckpt --url`: a member of the group, who is not root, has `ckpt serve` work with files of his own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use crate::lab::*;
use crate::served::*;

/// A container that counts, with a file that is worth a clone.
fn web() -> Container {
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    web
}

fn nothing_is_copied() {
    let member = Member::begin();
    let web = web();
    for (name, umask) in [("a.tar", "0000"), ("b.tar", "0777"), ("c.tar", "0022")] {
        let printed =
            member.shell(&format!("umask {umask}; ckpt checkpoint web -R -e {name} --reflink always --print-stats"));
        let ours = statistics(&printed);
        assert!(ours["cloned_bytes"].as_u64().unwrap() >= 2_990_000, "{ours}");
        assert!(ours["copied_bytes"].as_u64().unwrap() < 1_000_000, "{ours}");
        let metadata = member.file(name).metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (UID, UID, 0o600));
    }
    assert!(web.goes_on());
    assert_eq!(member.ckpt_succeeds(&["checkpoint", "web", "-e", "web.tar"]), "web");
    assert!(!web.is_running());
    // As podman and as this program write them.
    assert_says(&member.shell("tar -tf web.tar"), &["rootfs-diff.tar", "ckpt.json"]);
    web.remove();
    let printed = member.ckpt_succeeds(&["restore", "-i", "web.tar", "--reflink", "always", "--print-stats"]);
    assert!(statistics(&printed)["cloned_bytes"].as_u64().unwrap() >= 2_990_000, "{printed}");
    assert!(web.goes_on());
    assert_consecutive(&web.numbers());
    let notes = member.served.notes();
    let told = |note: &serde_json::Value| {
        ["operation", "result", "uid"].map(|key| note[key].to_string().trim_matches('"').to_owned())
    };
    let expected = [["checkpoint", "done", "1000"], ["restore", "done", "1000"]];
    assert_eq!(notes[3..].iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!((&notes[3]["container"], notes[3]["id"].as_str().unwrap().len()), (&"web".into(), 64));
    assert!(notes[3]["frozen_seconds"].as_f64().unwrap() > 0.0, "{}", notes[3]);
    let counted = String::from_utf8(member.served.curl(&["http://d/metrics"]).unwrap().body).unwrap();
    assert_says(&counted, &["ckpt_checkpoints_total 4\n", "ckpt_restores_total 1\n"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_nothing_is_copied_into_a_members_file() {
    nothing_is_copied();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_nothing_is_copied_into_a_members_file() {
    nothing_is_copied();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_members_commands_are_as_roots() {
    let member = Member::begin();
    let (web, other) = (web(), Container::run("other", &[], COUNT));
    // Several, into a folder; pipes; what is no pipe.
    fs::create_dir(member.file("all")).unwrap();
    std::os::unix::fs::chown(member.file("all"), Some(UID), Some(UID)).unwrap();
    let id = other.inspect("{{.Id}}");
    assert_eq!(member.ckpt_succeeds(&["checkpoint", "-R", "web", &id, "-e", "all"]), format!("web\n{id}"));
    assert_eq!(member.shell("cd all; echo *"), "other.tar web.tar");
    assert_eq!(
        member.shell("ckpt checkpoint -R -a -e all/ --compress zstd | wc -l; cd all; echo *"),
        "2\nother.tar other.tar.zst web.tar web.tar.zst"
    );
    assert_says(&member.shell("ckpt checkpoint -R web -e - | tar -t"), &["ckpt.json"]);
    assert_says(&member.shell("ckpt checkpoint -R web -e - > piped.tar; tar -tf piped.tar"), &["ckpt.json"]);
    member.shell("ckpt checkpoint -R web -e web.tar.gz; gzip -t web.tar.gz");
    let again = Container::named("again");
    member.shell("cat all/web.tar | ckpt restore -i - -n again");
    assert!(again.goes_on());
    again.remove();
    member.shell("ckpt restore -n again -i - < web.tar.gz");
    assert!(again.goes_on());
    again.remove();
    // One fails, and the other is saved.
    let said = member.ckpt_fails(1, &["checkpoint", "-R", "none", "web", "-e", "all/"]);
    assert_says(&said, &["Error: ", "none"]);
    // Copies, with and without an archive.
    let ready = member.ckpt_succeeds(&["fork", "web", "-c", "2", "--keep", "kept.tar"]);
    assert_eq!(ready.lines().count(), 2, "{ready}");
    let copies = ["web-1", "web-2"].map(Container::named);
    assert!(copies.iter().all(Container::goes_on));
    assert_says(&member.shell("tar -tf kept.tar; ckpt inspect kept.tar"), &["ckpt.json", "localhost/busybox"]);
    drop(copies);
    // The history is root's, and the service's.
    let saved = member.ckpt_succeeds(&["save", "web", "-m", "the first"]);
    member.ckpt_succeeds(&["save", "web", "-t", "second"]);
    assert_says(&member.ckpt_succeeds(&["history", "web"]), &["web~2", "the first", "second"]);
    assert_says(&member.ckpt_succeeds(&["inspect", "web~2"]), &["localhost/busybox"]);
    assert_eq!(member.ckpt_succeeds(&["rollback", "web", "web~2"]), web.inspect("{{.Id}}"));
    assert!(web.goes_on());
    member.ckpt_succeeds(&["restore", "-i", "web@second", "-n", "again"]);
    assert!(again.goes_on());
    again.remove();
    assert_eq!(member.ckpt_succeeds(&["rm", &format!("web@{saved}")]), saved);
    assert_says(&member.ckpt_succeeds(&["prune", "web", "--keep-last", "1"]), &["removed"]);
    assert_eq!(member.ckpt_succeeds(&["lazy"]), "no memory is on its way");
    member.ckpt_succeeds(&["rm", "web~1"]);
    // In place, where podman itself does it.
    assert_eq!(member.ckpt_succeeds(&["checkpoint", "other"]), "other");
    member.ckpt_succeeds(&["restore", "other"]);
    assert!(other.goes_on());
    drop((web, other));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_members_words_and_statuses_are_as_roots() {
    let member = Member::begin();
    let web = web();
    let said = |arguments: &[&str]| {
        let mut own = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        let own = own.args(arguments).current_dir(&member.folder).output().unwrap();
        let asked = member.ckpt(arguments).output().unwrap();
        [own, asked].map(|output| (output.status.code(), String::from_utf8(output.stderr).unwrap()))
    };
    for arguments in [
        &["checkpoint", "none", "-e", "x.tar"][..],
        &["checkpoint", "web", "-e", "no-folder/x.tar"],
        &["checkpoint", "web", "-e", "/dev/null"],
        &["checkpoint", "web", "none", "-e", "x.tar"],
        &["restore", "-i", "/nonexistent.tar"],
        &["restore", "-i", "/etc/hostname"],
        &["restore", "-i", "/etc/hostname", "--count", "2", "--pod", "x"],
        &["restore", "none"],
        &["history", "--format", "nonsense"],
        &["rm", "web~1"],
        &["rollback", "web"],
        &["fork", "none", "-c", "2"],
        &["lazy", "none"],
    ] {
        let [own, asked] = said(arguments);
        assert_eq!(own, asked, "{arguments:?}");
    }
    assert!(web.goes_on());
    // A terminal has a bar, and is told what was done.
    let terminal =
        |ckpt: &str| member.shell(&format!("stty cols 100 2> /dev/null || true; script -qec '{ckpt}' /dev/null"));
    let program = text(member.folder.parent().unwrap()).to_owned() + "/ckpt";
    let shown = terminal(&format!("{program} checkpoint web -R -e x.tar"));
    assert_says(&shown, &["checkpoint", "dumping the processes", "web: ", "frozen", "cloned"]);
    // Whoever is not in the group, and what is no service.
    let refused = member.ckpt_of_a_stranger(&["checkpoint", "web", "-e", "y.tar"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_says(&String::from_utf8(refused.stderr).unwrap(), &["Error: connect to ", "Permission denied"]);
    assert!(!member.file("y.tar").exists());
    assert_says(
        &member.ckpt_fails(1, &["--url", "unix:///run/no-such.sock", "history"]),
        &["connect to /run/no-such.sock"],
    );
    let podmans = PodmanService::begin();
    let own = run(env!("CARGO_BIN_EXE_ckpt"), &["--url", text(&podmans.socket), "history"]);
    assert_says(&String::from_utf8(own.stderr).unwrap(), &["no socket of `ckpt serve`", "404"]);
    assert_says(&member.ckpt_fails(2, &["--url", "tcp://x", "history"]), &["only sockets of this host"]);
    assert_says(
        &member.ckpt_fails(1, &["--url", &member.served.url(), "pack", "all", "-f", "all.tar"]),
        &["leave --url away"],
    );
    member.shell("echo words > words; ckpt pack words -f words.tar; ckpt ls words.tar");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_member_restores_what_he_or_root_wrote() {
    let member = Member::begin();
    let web = web();
    let archive = member.folder.parent().unwrap().join("web.tar");
    ckpt(&["checkpoint", "web", "-R", "-e", text(&archive)]);
    let again = Container::named("again");
    let restore = |name: &str, more: &[&str]| {
        let output = member.ckpt(&[&["restore", "-n", "again", "-i", name], more].concat()).output().unwrap();
        again.remove();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (name, uid, mode, trusted) in [
        ("own", UID, 0o600, true),
        ("roots", 0, 0o644, true),
        ("others", 1001, 0o644, false),
        ("everybodys", UID, 0o666, false),
    ] {
        let given = member.give(&archive, name, uid, mode);
        let (status, said) = restore(name, &[]);
        assert_eq!(status, Some(if trusted { 0 } else { 1 }), "{name}: {said}");
        assert!(trusted || said.contains("--trust"), "{said}");
        assert_eq!(restore(name, &["--trust"]).0, Some(0));
        let metadata = given.metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (uid, mode));
    }
    // What he may not read, the service does not read for him.
    member.give(&archive, "roots-alone", 0, 0o600);
    assert_says(&restore("roots-alone", &["--trust"]).1, &["open roots-alone: Permission denied"]);
    // With sudo, who called it. Nobody else can say so.
    for (caller, sudo_uid, trusted) in
        [("0", "1000", true), ("0", "1002", false), ("0", "", false), ("1001", "1000", false)]
    {
        let program = member.folder.parent().unwrap().join("ckpt");
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", caller, "--regid", caller, "--groups", "4712", text(&program)]);
        setpriv.args(["--url", &member.served.url(), "restore", "-n", "again", "-i"]).arg(member.file("readable"));
        member.give(&archive, "readable", UID, 0o644);
        let output = setpriv.env("SUDO_UID", sudo_uid).output().unwrap();
        again.remove();
        assert_eq!(output.status.success(), trusted, "{caller} {sudo_uid}: {output:?}");
    }
    assert!(web.goes_on());
}

/// What a member's `ckpt` says that fails, and leaves the world as it was.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_whoever_ends_it_the_container_runs_on() {
    let mut member = Member::begin();
    let web = web();
    let other = member.folder.parent().unwrap().join("web.tar");
    ckpt(&["checkpoint", "web", "-R", "-e", text(&other)]);
    member.give(&other, "own.tar", UID, 0o600);
    member.served.end();
    let world = World::at_rest(&member.folder);
    let calls = [&["checkpoint", "web", "-e", "x.tar"][..], &["restore", "-i", "own.tar", "-n", "again"]];
    for what in ["container checkpoint", "container restore"] {
        let call = calls[usize::from(what == "container restore")];
        for end in ["interrupt", "kill the client", "end the service", "kill the service"] {
            let held = Held::at("podman", what);
            member.served.restart_with(|command| {
                command.env("PATH", path_with(held.folder()));
            });
            let mut client = member.ckpt(call).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            held.reached();
            let pid = rustix::process::Pid::from_child(&client);
            use rustix::process::{Signal, kill_process};
            match end {
                "interrupt" => kill_process(pid, Signal::INT).unwrap(),
                "kill the client" => kill_process(pid, Signal::KILL).unwrap(),
                "end the service" => member.served.signal(Signal::TERM),
                _ => member.served.signal(Signal::KILL),
            }
            let status = client.wait().unwrap();
            let mut said = String::new();
            std::io::Read::read_to_string(&mut client.stderr.take().unwrap(), &mut said).unwrap();
            match end {
                "interrupt" => {
                    assert_eq!(status.code(), Some(1), "{said}");
                    assert_says(&said, &["interrupted"]);
                }
                "kill the service" => assert_says(&said, &["the service ended"]),
                _ => {}
            }
            held.let_go();
            wait_for("the work to end", || (!is_at_work()).then_some(()));
            if !web.is_running() {
                panic!("{what}, {end}: the container is gone: {said}");
            }
            assert!(web.goes_on(), "{what}, {end}");
            assert!(!run("podman", &["container", "exists", "again"]).status.success(), "{what}, {end}");
        }
    }
    assert!(!member.file("x.tar").exists());
    assert_consecutive(&web.numbers());
    member.served.end();
    world.assert_same(&member.folder);
}

fn is_at_work() -> bool {
    run("pgrep", &["-f", "^ckpt served$"]).status.success()
}
