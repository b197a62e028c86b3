//! podman's own tests of checkpoints, step by step, with `ckpt` in podman's place.

use std::fs;

use crate::lab::*;
use crate::session::{Session, compare, documented};

/// Prints numbers; no file is open, so that all can be left behind.
const PRINT: &str = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";

/// A container that prints numbers.
fn start(name: &str, options: &str) -> Container {
    let options: Vec<&str> = options.split(' ').filter(|word| !word.is_empty()).collect();
    Container::run(name, &options, PRINT)
}

/// Whether a container prints more than it has.
fn goes_on(session: &mut Session, container: &Container) {
    let count = container.numbers().len();
    container.wait_for_numbers(count + 1);
    session.note("it goes on", true);
}

/// Those that were started with `--rm` are removed a moment after they stopped.
fn wait_until_removed() {
    wait_for("podman's removal", || podman(&["ps", "-aq"]).is_empty().then_some(()));
    // The record in the storage goes a moment after podman's own.
    wait_for("the storage's", || podman(&["ps", "-aq", "--external"]).is_empty().then_some(()));
}

/// 520-checkpoint.bats: "basic test", "print IDs or raw input", "the latest container"; checkpoint_test.go: by ID, by
/// name, "pause a checkpointed container", latest, all, "--leave-running", "dev/shm content", "--print-stats".
fn in_place(session: &mut Session) {
    let container = start("one", "--network none");
    let id = container.inspect("{{.Id}}");
    container.exec("echo kept > /dev/shm/memory");
    for _ in 0..2 {
        session.run(&format!("checkpoint --keep {id}"));
        session.state("one");
        session.podman(&format!("pause {id}"));
        session.run(&format!("restore --keep {id}"));
        session.state("one");
        goes_on(session, &container);
    }
    session.podman("exec one cat /dev/shm/memory");
    session.run("checkpoint one");
    session.run("checkpoint one");
    session.run("restore one");
    session.run("restore one");
    for which in ["--all", "--latest"] {
        session.run(&format!("checkpoint {which}"));
        session.run(&format!("restore {which}"));
    }
    session.run("checkpoint --leave-running one");
    session.state("one");
    session.podman("stop --time 0 one");
    session.run("restore one");
    let _second = start("two", "--network none");
    session.measure("checkpoint -a --print-stats");
    session.measure("restore -a --print-stats");
    session.run("restore -n other one");
    session.run("checkpoint --all one");
    session.run("checkpoint nobody");
    session.run("restore nobody");
    session.run("checkpoint");
    session.run("restore");
    session.run("checkpoint --nonsense one");
    session.run("checkpoint -c gzip one");
    session.run("checkpoint --ignore-rootfs one");
}

/// checkpoint_test.go: "started with --rm", "export (migration)", "different compression algorithms", "root file-system
/// changes" with and without "--ignore-rootfs", "run exec in restored container", "--ipc host", "export and statistics",
/// "dev/shm content with --export".
fn through_archives(session: &mut Session) {
    let container = start("one", "--network none --rm --ipc host");
    let id = container.inspect("{{.Id}}");
    session.run("checkpoint one");
    container.exec("echo new > /srv/new; rm /etc/passwd");
    for (to, from) in [
        ("-e DIR/x.tar.gz", "-i DIR/x.tar.gz"),
        ("--export=DIR/x.tar -c zstd", "--import=DIR/x.tar"),
        ("-e DIR/x.tar -c none", "-i DIR/x.tar --ignore-static-ip"),
        ("-e DIR/x.tar -c gzip", "-i DIR/x.tar --keep"),
    ] {
        session.run(&format!("checkpoint {id} {to}"));
        wait_until_removed();
        session.run(&format!("restore {from}"));
        session.state("one");
        session.podman("exec one cat /srv/new /etc/passwd");
    }
    session.podman("diff one");
    let members = succeed("tar", &["-tf", &session.in_folder("DIR/x.tar")]);
    session.note("CRIU's statistics are in it", members.lines().any(|member| member == "stats-dump"));
    session.run("checkpoint -c non-existing -e DIR/y.tar one");
    session.run("checkpoint -R -e DIR/missing/y.tar one");
    session.run("checkpoint -e DIR/y.tar nobody");
    session.run("restore -i DIR/x.tar");
    session.run("restore -i DIR/missing.tar");
    session.run("restore -i DIR/x.tar one");
    session.run("restore --tcp-established -n again -i DIR/x.tar");
    session.run("restore -i DIR/x.tar -n again");
    session.run("restore -i DIR/x.tar -n again");
    for name in ["one", "again"] {
        session.podman(&format!("rm --force --time 0 {name}"));
    }
    session.run("restore --ignore-rootfs -i DIR/x.tar");
    session.podman("exec one cat /srv/new");
    container.exec("echo new > /srv/new; echo kept > /srv/kept");
    session.run("checkpoint --ignore-rootfs one -e DIR/x.tar");
    wait_until_removed();
    session.run("restore -i DIR/x.tar");
    session.podman("exec one cat /srv/new");
    session.run("checkpoint -a -e DIR/all.tar");
}

/// 520-checkpoint.bats: "--export, with volumes"; checkpoint_test.go: "a container with volumes".
fn with_volumes(session: &mut Session) {
    let container = start("one", "--network none --rm -v /anonymous -v volume:/named");
    container.exec("echo named > /named/file; echo anonymous > /anonymous/file");
    session.run("checkpoint one -e DIR/v.tar");
    wait_until_removed();
    session.run("restore -i DIR/v.tar");
    session.podman("volume rm volume");
    session.run("restore -i DIR/v.tar");
    session.podman("exec one cat /named/file /anonymous/file");
    session.run("checkpoint one -e DIR/v.tar");
    wait_until_removed();
    session.run("checkpoint one -e DIR/v.tar");
}

/// 520-checkpoint.bats: "--file-locks"; checkpoint_test.go: "--file-locks".
fn with_file_locks(session: &mut Session) {
    let host = "-v /usr/bin/flock:/bin/flock:ro -v /usr/lib:/lib:ro -v /usr/lib64:/lib64:ro";
    let options: Vec<&str> = ["--network", "none"].into_iter().chain(host.split(' ')).collect();
    let container = Container::run("one", &options, &format!("flock /srv/lock sh -c '{PRINT}'"));
    container.wait_for_numbers(1);
    session.run("checkpoint one -e DIR/l.tar");
    session.state("one");
    session.run("checkpoint --file-locks one");
    session.run("restore --file-locks one");
    goes_on(session, &container);
    session.run("checkpoint --file-locks one -e DIR/l.tar");
    session.podman("rm one");
    session.run("restore -i DIR/l.tar --file-locks");
    goes_on(session, &container);
}

fn network(container: &Container, value: &str) -> String {
    container.inspect(&format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{value}}}}}{{{{end}}}}"))
}

/// 520-checkpoint.bats: "ip and mac handling", "publish with default_host_ips"; checkpoint_test.go: "same IP", "different
/// port mappings".
fn with_networks(session: &mut Session) {
    let container = start("one", "-p 18091:80");
    let address = |container: &Container| (network(container, "IPAddress"), network(container, "MacAddress"));
    let before = address(&container);
    session.run("checkpoint one");
    session.run("restore one");
    session.note("the address is kept", address(&container) == before);
    session.run("checkpoint one -e DIR/x.tar");
    session.podman("rm one");
    session.run("restore -i DIR/x.tar");
    session.note("the address is kept", address(&container) == before);
    session.podman("port one");
    session.run("restore -i DIR/x.tar -n other -p 18092:80");
    session.note("the address is kept", address(&Container::named("other")) == before);
    session.podman("port other");
    for name in ["one", "other"] {
        session.podman(&format!("rm --force --time 0 {name}"));
    }
    session.run("restore --ignore-static-ip --ignore-static-mac -i DIR/x.tar");
    session.note("the hardware address is kept", network(&container, "MacAddress") == before.1);
    session.podman("rm --force --time 0 one");
    fs::write(session.in_folder("DIR/containers.conf"), "[network]\ndefault_host_ips = [\"127.0.0.1\"]\n").unwrap();
    session.set("CONTAINERS_CONF_OVERRIDE", "DIR/containers.conf");
    session.run("restore -i DIR/x.tar -p 18093:80");
    session.podman("port one");
}

/// checkpoint_test.go: "verify runtime", "verify non-default runtime".
fn with_runtimes(session: &mut Session) {
    for runtime in RUNTIMES {
        let _container = start("one", &format!("--network none --rm --runtime {runtime}"));
        session.run("checkpoint one -e DIR/x.tar");
        wait_until_removed();
        session.run("restore -i DIR/x.tar");
        session.state("one");
        session.podman("rm --force --time 0 one");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_podmans_own_tests_see_no_other_program() {
    let sessions: [fn(&mut Session); 6] =
        [in_place, through_archives, with_volumes, with_file_locks, with_networks, with_runtimes];
    let differences: Vec<_> = sessions.into_iter().flat_map(compare).collect();
    let unknown: Vec<_> = differences.iter().filter(|difference| !difference.is_documented()).collect();
    let unknown: String = unknown.iter().map(|difference| format!("{difference}\n")).collect();
    assert!(unknown.is_empty(), "not as docs/podman.md has it:\n{unknown}");
    for row in documented() {
        let is_seen = differences.iter().any(|difference| difference.command == row.command);
        assert!(is_seen, "podman and ckpt say the same to `{}`: docs/podman.md has it still", row.command);
    }
}
