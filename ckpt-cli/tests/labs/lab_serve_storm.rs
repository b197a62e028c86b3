//! `ckpt serve` with clients that go away, and with hostile ones. No container is lost, and nothing is left behind.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::Duration;

use crate::kill::Dice;
use crate::lab::*;
use crate::served::*;
use rustix::process::Signal;

/// curl in the background, whose archive goes to or comes from a file.
fn start_curl(socket: &Path, arguments: &[&str]) -> Child {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-X", "POST", "--unix-socket", text(socket)]).args(arguments);
    curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills clients of both calls at random moments.
fn clients_go(rounds: u64) {
    let folder = folder();
    let (archive, other) = (folder.path().join("x.tar"), folder.path().join("other.tar"));
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    ckpt(&["checkpoint", "web", "-R", "-e", text(&other)]);
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    assert_eq!(served.curl(&["http://d/_ping"]).unwrap().status, 200);
    // Should one be closed later than this, the wait below ends earlier, and the test sees less.
    sleep(Duration::from_millis(300));
    let at_rest = served.descriptors();
    let mut dice = Dice::thrown();
    for round in 1..=rounds {
        let is_checkpoint = round % 3 != 0;
        let query = if round % 2 == 0 { "&leaveRunning=true" } else { "" };
        let url = match is_checkpoint {
            true => format!("{CONTAINERS}/web/checkpoint?export=true{query}"),
            false => format!("{CONTAINERS}/import/restore?import=true&name=again"),
        };
        let file = if is_checkpoint { ["-o", text(&archive)] } else { ["-T", text(&other)] };
        // Some of them are slow.
        let rate = ["1k", "10M", "1G"][dice.below(3) as usize];
        let mut client = start_curl(&served.socket, &[&file[..], &["--limit-rate", rate, &url]].concat());
        sleep(Duration::from_millis(dice.below(1500)));
        let _ = client.kill();
        let ended_well = client.wait().unwrap().success();
        // It was taken before this one.
        assert_eq!(served.curl(&["http://d/_ping"]).unwrap().status, 200);
        wait_for("the operation's end", || (served.descriptors() <= at_rest).then_some(()));
        let last = served.notes().pop();
        assert!(!ended_well || last.as_ref().is_some_and(|note| note["result"] == "done"), "{last:?}");
        if !web.is_running() {
            let checkpoint = served.notes().into_iter().rfind(|note| note["operation"] == "checkpoint").unwrap();
            assert_eq!(checkpoint["result"], "done", "round {round}: {last:?}");
            web.restore_in_place();
        }
        assert!(web.goes_on(), "round {round}: {:?}", served.notes().pop());
        assert_eq!(frozen_tasks(&web), [""; 0]);
        run("podman", &["rm", "-f", "-i", "-t", "0", "again"]);
        let _ = fs::remove_file(&archive);
    }
    let broken = served.notes().iter().filter(|note| note["result"] == "failed").count();
    println!("{broken} of {} broken off", served.notes().len());
    assert!(broken > 0, "no client went in time");
    assert_consecutive(&web.numbers());
    assert!(served.peak_mebibytes() <= 64, "{} MiB", served.peak_mebibytes());
    wait_for("descriptors to be closed", || (served.descriptors() < 20).then_some(()));
    assert_eq!(served.end(), Some(0));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_clients_that_go_lose_no_container() {
    clients_go(9);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test --long"]
fn long_btrfs_many_clients_that_go_lose_no_container() {
    clients_go(120);
}

/// Kills the service in the middle of either call, and starts it again.
fn service_is_killed(rounds: u64) {
    let folder = folder();
    let (archive, other) = (folder.path().join("x.tar"), folder.path().join("other.tar"));
    let web = Container::run("web", &[], COUNT);
    ckpt(&["checkpoint", "web", "-R", "-e", text(&other)]);
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    let mut dice = Dice::thrown();
    for round in 0..rounds {
        let checkpoint = format!("{CONTAINERS}/web/checkpoint?export=true");
        let restore = format!("{CONTAINERS}/import/restore?import=true&name=again");
        let mut client = match round % 2 {
            0 => start_curl(&served.socket, &["-o", text(&archive), &checkpoint]),
            _ => start_curl(&served.socket, &["-T", text(&other), &restore]),
        };
        sleep(Duration::from_millis(dice.below(1000)));
        served.kill_and_restart();
        client.wait().unwrap();
        // The next operation puts right what the dead one left, of whichever container.
        let bystander = Container::run("bystander", &[], COUNT);
        let url = format!("{CONTAINERS}/bystander/checkpoint?export=true&leaveRunning=true");
        let answer = served.curl(&["-X", "POST", &url]).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        drop(bystander);
        if !web.is_running() {
            web.restore_in_place();
        }
        assert!(web.goes_on(), "round {round}");
        assert_eq!(frozen_tasks(&web), [""; 0]);
        run("podman", &["rm", "-f", "-i", "-t", "0", "again"]);
        let _ = fs::remove_file(&archive);
    }
    assert_consecutive(&web.numbers());
    assert_eq!(served.end(), Some(0));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_service_that_is_killed_loses_no_container() {
    service_is_killed(4);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test --long"]
fn long_btrfs_a_service_that_is_killed_often_loses_no_container() {
    service_is_killed(40);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_under_way_at_a_signal_is_undone() {
    let folder = folder();
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    let url = format!("{CONTAINERS}/web/checkpoint?export=true");
    let archive = folder.path().join("x.tar");
    let mut client = start_curl(&served.socket, &["-o", text(&archive), "--limit-rate", "1k", &url]);
    wait_for("the first bytes", || archive.metadata().is_ok_and(|found| found.len() > 0).then_some(()));
    assert_eq!(served.end(), Some(0));
    // It still reads what is in the socket.
    assert!(client.try_wait().unwrap().is_none());
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(served.notes()[0]["result"], "failed");
    // As after every checkpoint that fails.
    assert!(web.goes_on());
    assert_consecutive(&web.numbers());
    fs::remove_file(&archive).unwrap();
    world.assert_same(folder.path());
}

/// Whether the service still answers, with little memory.
fn assert_well(served: &Served) {
    assert_eq!(served.curl(&["http://d/_ping"]).unwrap().body, b"OK");
    assert!(served.peak_mebibytes() <= 64, "{} MiB", served.peak_mebibytes());
}

/// Sends as much of `head` and of `body`, again and again, as is taken; gives the beginning of the answer.
fn send(socket: &Path, head: &str, body: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    if stream.write_all(head.as_bytes()).is_ok() && !body.is_empty() {
        let is_taken = (0..1024).all(|_| stream.write_all(body).is_ok());
        if is_taken {
            // It waits for more, which does not come.
            stream.shutdown(Shutdown::Write).unwrap();
        }
    }
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = Vec::new();
    let _ = stream.take(1000).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_hostile_clients_get_nothing() {
    let folder = folder();
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    let restore = "POST /v5.0.0/libpod/containers/import/restore?import=true&name=again HTTP/1.1\r\nHost: d\r\n";
    let endless = format!("{restore}Content-Length: 1000000000000\r\n\r\n");
    let refused = send(&served.socket, &endless, &[b'x'; 65536]);
    assert_says(&refused, &["HTTP/1.1 500", "archive"]);
    // Zeros without end are no archive either.
    let zeros = send(&served.socket, &endless, &[0; 65536]);
    assert!(zeros.is_empty() || zeros.starts_with("HTTP/1.1 500"), "{zeros}");
    for head in [
        format!("GET /_ping HTTP/1.1\r\nHost: d\r\nX: {}\r\n\r\n", "a".repeat(1_000_000)),
        format!("GET /{} HTTP/1.1\r\nHost: d\r\n\r\n", "a".repeat(1_000_000)),
        format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{}\r\n", "X: y\r\n".repeat(100_000)),
    ] {
        let answer = send(&served.socket, &head, &[]);
        assert!(["HTTP/1.1 431", "HTTP/1.1 414", ""].iter().any(|begin| answer.starts_with(begin)), "{answer}");
    }
    assert!(send(&served.socket, "\x16\x03\x01\r\n\r\n", &[]).starts_with("HTTP/1.1 400"));
    assert!(
        send(&served.socket, &format!("{restore}Transfer-Encoding: chunked\r\n\r\nzz\r\n"), &[])
            .starts_with("HTTP/1.1 500")
    );
    for query in ["name=..%2F..%2Fetc", "name=%00", "name=a&pod=..%2F..", "name=a&publishPorts=--hooks-dir%3D%2Ftmp"] {
        let url = format!("{CONTAINERS}/import/restore?import=true&{query}");
        let answer = served.curl(&["-X", "POST", "--data-binary", "words", &url]).unwrap();
        assert_eq!(answer.status, 500, "{query}");
    }
    assert_well(&served);
    assert_eq!(served.end(), Some(0));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_thousand_idle_clients_and_slow_ones_take_little() {
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    let served = Served::begin();
    let idle: Vec<UnixStream> = (0..1000).map(|_| UnixStream::connect(&served.socket).unwrap()).collect();
    // Half of a head.
    for mut stream in &idle[..500] {
        stream.write_all(b"GET /_ping HTTP/1.1\r\nHos").unwrap();
    }
    let url = format!("{CONTAINERS}/web/checkpoint?export=true&leaveRunning=true");
    let slow = ["-o", "/dev/null", "--limit-rate", "1k"];
    let mut readers: Vec<Child> = (0..3).map(|_| start_curl(&served.socket, &[&slow[..], &[&url]].concat())).collect();
    let others: Vec<_> = (0..64)
        .map(|_| {
            let socket = served.socket.clone();
            thread::spawn(move || curl(&socket, &["http://d/v5.0.0/libpod/containers/json"]).unwrap().status)
        })
        .collect();
    assert!(others.into_iter().all(|other| other.join().unwrap() == 200));
    assert_well(&served);
    // They wait for one another, since it is one container; the one that reads goes away.
    for reader in &mut readers {
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    drop(idle);
    assert_eq!(served.curl(&["-X", "POST", &url]).unwrap().status, 200);
    wait_for("descriptors to be closed", || (served.descriptors() < 20).then_some(()));
    assert!(web.goes_on());
    assert_well(&served);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_many_containers_are_checkpointed_side_by_side() {
    let containers: Vec<Container> =
        (0..4).map(|number| Container::run(&format!("web-{number}"), &[], COUNT)).collect();
    let served = Served::begin();
    let clients: Vec<_> = (0..16)
        .map(|number| {
            let socket = served.socket.clone();
            let url = format!("{CONTAINERS}/web-{}/checkpoint?export=true&leaveRunning=true", number % 4);
            thread::spawn(move || curl(&socket, &["-X", "POST", &url]).unwrap())
        })
        .collect();
    for client in clients {
        let answer = client.join().unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert!(answer.body.len() > 50_000);
    }
    for container in &containers {
        assert!(container.goes_on());
        assert_consecutive(&container.numbers());
    }
    assert_well(&served);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_without_podmans_service_the_client_is_told() {
    let served = Served::with(&["--upstream", "/run/no-such-podman.sock"], |_| {});
    let url = format!("{CONTAINERS}/web/checkpoint?export=true");
    for arguments in [&["http://d/_ping"][..], &["-X", "POST", &url]] {
        let answer = served.curl(arguments).unwrap();
        assert_eq!(
            (answer.status, answer.keys().unwrap()),
            (502, ["cause", "message", "response"].map(str::to_owned).into())
        );
    }
    // One of our own that dies is begun anew.
    let served = Served::begin();
    assert_well(&served);
    let url = format!("unix://{}.podman/podman.sock", text(&served.socket));
    let podman: Vec<String> =
        succeed("pgrep", &["-f", &format!("system service .*{url}")]).lines().map(str::to_owned).collect();
    assert_eq!(podman.len(), 1);
    succeed("kill", &["-KILL", &podman[0]]);
    wait_for("another podman", || served.curl(&["http://d/_ping"]).filter(|answer| answer.status == 200));
    served.signal(Signal::HUP);
    wait_for("its end", || (!served.socket.exists()).then_some(()));
}
