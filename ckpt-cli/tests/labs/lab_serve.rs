//! `ckpt serve` and real clients of podman's API.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::lab::*;
use crate::served::*;

/// podman-py: a checkpoint into a file, and a restore of it.
const PYTHON: &str = r#"
import sys, podman
url, archive = sys.argv[1], sys.argv[2]
with podman.PodmanClient(base_url=url) as client:
    web = client.containers.get("web")
    with open(archive, "wb") as file:
        for chunk in web.client.post(f"/containers/{web.id}/checkpoint", params={"export": True, "leaveRunning": True}, stream=True).iter_content(65536):
            file.write(chunk)
    with open(archive, "rb") as file:
        restored = client.containers.client.post("/containers/import/restore", params={"import": True, "name": "by-python"}, data=file)
    restored.raise_for_status()
    print(client.containers.get("by-python").status)
"#;

fn web(options: &[&str]) -> Container {
    let web = Container::run("web", options, COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    web
}

fn is_ours(archive: &Path) -> bool {
    succeed("tar", &["-tf", text(archive)]).lines().any(|member| member == "ckpt.json")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn every_client_of_podman_is_served() {
    let folder = folder();
    let archive = folder.path().join("web.tar");
    let web = web(&[]);
    let checksum = web.exec("sha256sum < /srv/large");
    let served = Served::begin();
    let assert_whole = |name: &str| {
        assert!(is_ours(&archive), "{name}");
        let restored = Container::named(name);
        assert_eq!(restored.exec("sha256sum < /srv/large"), checksum, "{name}");
        assert!(restored.goes_on(), "{name}");
        assert_consecutive(&restored.numbers());
        fs::remove_file(&archive).unwrap();
    };

    served.podman(&["container", "checkpoint", "-R", "-e", text(&archive), "web"]);
    served.podman(&["container", "restore", "-i", text(&archive), "--name", "by-podman"]);
    assert_whole("by-podman");

    let checkpoint = format!("{CONTAINERS}/web/checkpoint?export=true&leaveRunning=true");
    fs::write(&archive, served.curl(&["-X", "POST", &checkpoint]).unwrap().body).unwrap();
    let restore = format!("{CONTAINERS}/import/restore?import=true&name=by-curl");
    let answer = served.curl(&["-X", "POST", "-T", text(&archive), &restore]).unwrap();
    assert_eq!(answer.json()["Id"].as_str().unwrap(), podman(&["inspect", "--format", "{{.Id}}", "by-curl"]));
    assert_whole("by-curl");

    assert_eq!(succeed("python3", &["-c", PYTHON, &served.url(), text(&archive)]), "running");
    assert_whole("by-python");

    // Of its own name, where the original is gone.
    served.podman(&["container", "checkpoint", "-e", text(&archive), "web"]);
    assert!(!web.is_running());
    served.podman(&["rm", "web"]);
    served.podman(&["container", "restore", "-i", text(&archive)]);
    assert_whole("web");

    let notes = served.notes();
    assert_eq!(notes.len(), 8, "{notes:?}");
    let operations = ["checkpoint", "restore"].repeat(4);
    assert!(notes.iter().zip(operations).all(|(note, operation)| note["operation"] == operation), "{notes:?}");
    for note in &notes {
        assert_eq!((&note["user"], &note["result"]), (&"root".into(), &"done".into()), "{note}");
        assert!(note["cloned_bytes"].as_u64().unwrap() >= 2_990_000, "{note}");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_options_of_podman_do_what_they_say() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let volume = Volume::named("data");
    let script = "echo saved > /data/file; echo large > /srv/large; while :; do echo 1; sleep 0.05; done";
    let web = Container::run("web", &["-v", "data:/data", "-p", "8099:80"], script);
    wait_for("its files", || {
        run("podman", &["exec", "web", "test", "-s", "/srv/large"]).status.success().then_some(())
    });
    let served = Served::begin();
    let checkpoint = |query: &str| {
        let url = format!("{CONTAINERS}/web/checkpoint?export=true&leaveRunning=true{query}");
        let answer = served.curl(&["-X", "POST", &url]).unwrap();
        assert_eq!(answer.status, 200, "{query}: {}", String::from_utf8_lossy(&answer.body));
        fs::write(&archive, &answer.body).unwrap();
        succeed("tar", &["-tf", text(&archive)])
    };
    let members = checkpoint("");
    assert_says(&members, &["rootfs-diff.tar", "volumes/data.tar", "ckpt.json"]);
    assert!(!checkpoint("&ignoreRootFS=true").contains("rootfs-diff.tar"));
    assert!(!checkpoint("&ignoreVolumes=true").contains("volumes/"));
    checkpoint("&tcpEstablished=true&fileLocks=true&printStats=true&withPrevious=false&preCheckpoint=0");
    checkpoint("&keep=true");
    let bundle = web.inspect("{{.OCIConfigPath}}").replace("/config.json", "");
    assert!(Path::new(&bundle).join("dump.log").exists());

    let restore = |query: &str| {
        let url = format!("{CONTAINERS}/import/restore?import=true&name=again{query}");
        served.curl(&["-X", "POST", "-T", text(&archive), &url]).unwrap()
    };
    checkpoint("");
    // podman refuses as well.
    assert_eq!(restore("").status, 500);
    let restored = restore(
        "&ignoreVolumes=true&ignoreStaticIP=true&ignoreStaticMAC=true&publishPorts=8100%3A80&fileLocks=1&tcpClose=1",
    );
    assert_eq!(restored.status, 200, "{}", String::from_utf8_lossy(&restored.body));
    assert_eq!(restored.keys().unwrap(), ["Id", "criu_statistics", "runtime_restore_duration"]);
    let again = Container::named("again");
    assert!(again.goes_on());
    assert_says(&again.inspect("{{.HostConfig.PortBindings}}"), &["8100"]);
    again.remove();
    assert_eq!(restore("&ignoreRootFS=true&ignoreVolumes=true&keep=true&publishPorts=8100%3A80").status, 200);
    assert_eq!(run("podman", &["exec", "again", "test", "-e", "/srv/large"]).status.code(), Some(1));
    drop((again, web, volume));
}

/// The bytes of an answer to a request that ends the connection, less what differs each time.
fn raw(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let differs = |line: &&str| ["Date: ", "X-Reference-Id: "].iter().any(|name| line.starts_with(name));
    let body = if head.contains("Transfer-Encoding: chunked") { joined(body) } else { body.to_owned() };
    head.split("\r\n").filter(|line| !differs(line)).collect::<Vec<_>>().join("\r\n") + "\r\n\r\n" + &body
}

/// The pieces of a chunked body: where one ends and the next begins is by chance.
fn joined(mut chunks: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).unwrap());
        body += chunk;
        chunks = &rest[2..];
    }
    body
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_podmans_is_podmans_byte_for_byte() {
    let web = web(&["--tty=false"]);
    let podmans = PodmanService::begin();
    let upstream = format!("unix://{}", text(&podmans.socket));
    let served = Served::with(&["--upstream", &upstream], |_| {});
    let close = "Host: d\r\nConnection: close";
    for request in [
        format!("GET /_ping HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("HEAD /_ping HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v5.0.0/libpod/images/json HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v1.41/images/json?all=1 HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v5.0.0/libpod/containers/web/json HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v5.0.0/libpod/containers/none/json HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v5.0.0/libpod/events?stream=false&since=1 HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("GET /v5.0.0/libpod/containers/web/archive?path=/etc/passwd HTTP/1.1\r\n{close}\r\n\r\n"),
        format!("POST /v5.0.0/libpod/containers/web/exec HTTP/1.1\r\n{close}\r\nContent-Length: 1\r\n\r\n{{"),
        format!("POST /v5.0.0/libpod/containers/none/attach HTTP/1.1\r\n{close}\r\nContent-Length: 0\r\n\r\n"),
        "GET /_ping HTTP/1.0\r\nHost: d\r\n\r\n".to_owned(),
        format!("DELETE /nothing/of/the/kind HTTP/1.1\r\n{close}\r\n\r\n"),
    ] {
        assert_eq!(raw(&served.socket, &request), raw(&podmans.socket, &request), "{request}");
    }
    // With and without an upgrade: the output is bytes then, not HTTP.
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: tcp\r\n"] {
        let terminal = |socket: &Path| {
            let body = r#"{"AttachStdout":true,"AttachStderr":true,"Cmd":["sh","-c","seq 1 20000; echo end >&2"]}"#;
            let url = format!("{CONTAINERS}/web/exec");
            let made = curl(&podmans.socket, &["-X", "POST", "-H", "Content-Type: application/json", "-d", body, &url]);
            let id = made.unwrap().json()["Id"].as_str().unwrap().to_owned();
            let start = format!(
                "POST /v5.0.0/libpod/exec/{id}/start HTTP/1.1\r\nHost: d\r\n{upgrade}Content-Length: 2\r\n\r\n{{}}"
            );
            raw(socket, &start)
        };
        // Where a piece of output ends is by chance.
        let words = |said: String| said.chars().filter(|letter| letter.is_ascii_alphanumeric()).count();
        let (ours, podmans) = (terminal(&served.socket), terminal(&podmans.socket));
        assert_eq!(ours.split("\r\n\r\n").next(), podmans.split("\r\n\r\n").next());
        assert!(ours.contains("20000") && ours.contains("end"), "{ours}");
        assert!(words(ours).abs_diff(words(podmans)) < 5000);
    }
    drop(web);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_terminals_logs_and_files_go_through() {
    let folder = folder();
    let web = web(&["-i"]);
    let served = Served::begin();
    let url = served.url();
    // A client that does not end is told to: the test should fail, and not stand still.
    let remote = format!("remote() {{ timeout 60 podman --url {url} \"$@\"; }}");
    let shell = |script: &str| shell_in(folder.path(), &format!("{remote}; {script}"));
    assert_eq!(shell("echo words | remote exec -i web cat"), "words");
    assert_eq!(shell("remote exec web sh -c 'exit 7' || echo $?"), "7");
    let terminal = format!("timeout 60 script -qec 'podman --url {url} exec -it web tty' /dev/null");
    assert_says(&shell(&terminal), &["/dev/pts/"]);
    assert_says(&shell("remote logs -f web 2>&1 | head -3"), &["1\n2\n3"]);
    assert_says(&shell("remote attach --no-stdin --sig-proxy=false web | head -2"), &["\n"]);
    assert_says(&shell("remote stats --no-stream web"), &["web"]);
    shell("echo there > a; remote cp a web:/srv/a; remote cp web:/srv/a b; cmp a b");
    assert_eq!(web.exec("cat /srv/a"), "there");
    // Both: one ends the wait of the other's reader.
    let events = "remote events --since 0s --filter event=kill --format '{{.Name}} {{.Status}}' | head -2";
    let event = shell(&format!(
        "{events} & for i in 1 2 3 4 5 6 7 8; do sleep 0.3; podman kill -s USR1 web > /dev/null; done; wait"
    ));
    assert_eq!(event, "web kill\nweb kill");
    let ran = shell("remote run --rm localhost/busybox sh -c 'echo from a container'");
    assert_eq!(ran, "from a container");
    // All connections are closed, and nothing is kept of them.
    let at_rest = wait_for("descriptors to be closed", || Some(served.descriptors()).filter(|&count| count < 20));
    shell("for i in 1 2 3 4 5; do remote exec web true; remote ps > /dev/null; done");
    wait_for("descriptors to be closed", || (served.descriptors() <= at_rest).then_some(()));
}

/// Good calls and bad ones, for a running container, one that has ended, and an archive; restores are called `again`.
fn calls(web: &str, id: &str, again: &str, archive: &str) -> Vec<(&'static str, Vec<String>)> {
    let post = |path: &str| vec!["-X".to_owned(), "POST".to_owned(), format!("{CONTAINERS}{path}")];
    let checkpoint = |name: &str, query: &str| post(&format!("/{name}/checkpoint{query}"));
    let restore = |query: &str, body: &[&str]| {
        let body = body.iter().map(|word| (*word).to_owned());
        post(&format!("/import/restore?import=true{query}").replace("name=again", &format!("name={again}")))
            .into_iter()
            .chain(body)
            .collect()
    };
    let file = ["-T", archive];
    let plain = |method: &str, url: &str| vec!["-X".to_owned(), method.to_owned(), format!("http://d{url}")];
    vec![
        ("by name", checkpoint(web, "?export=true&leaveRunning=true")),
        ("by ID", checkpoint(id, "?export=true&leaveRunning=true")),
        ("by the beginning of an ID", checkpoint(&id[..9], "?export=true&leaveRunning=true")),
        ("names in any case", checkpoint(web, "?EXPORT=1&LeaveRunning=T")),
        ("Go's on", checkpoint(web, "?export=on&leaveRunning=on")),
        ("what podman does not know", checkpoint(web, "?export=true&leaveRunning=true&colour=red")),
        (
            "all flags",
            checkpoint(
                web,
                "?export=true&leaveRunning=true&keep=true&tcpEstablished=true&ignoreRootFS=true&fileLocks=true&printStats=true",
            ),
        ),
        (
            "flags as podman's client sends them",
            checkpoint(
                web,
                "?createimage=&export=true&filelocks=false&ignorerootfs=false&keep=false&leaverunning=true&precheckpoint=false&printstats=false&tcpestablished=false&withprevious=false",
            ),
        ),
        ("no boolean", checkpoint(web, "?export=maybe&leaveRunning=true")),
        ("no boolean for another", checkpoint(web, "?export=true&leaveRunning=yes")),
        ("no boolean for the statistics", checkpoint(web, "?export=true&leaveRunning=true&printStats=2")),
        ("without an archive", checkpoint(web, "?leaveRunning=true")),
        ("without an archive, with statistics", checkpoint(web, "?leaveRunning=true&printStats=true")),
        ("export=false", checkpoint(web, "?export=false&leaveRunning=true")),
        ("memory alone", checkpoint(web, "?export=true&preCheckpoint=true&leaveRunning=true")),
        ("what changed since", checkpoint(web, "?export=true&withPrevious=true&leaveRunning=true")),
        ("one that has ended", checkpoint("ended", "?export=true")),
        ("one that has ended, without an archive", checkpoint("ended", "")),
        ("one that is not there", checkpoint("none", "?export=true")),
        ("an ambiguous ID", checkpoint("%20", "?export=true")),
        ("a name in quotes", checkpoint(&format!("%22{web}%22"), "?export=true")),
        ("a longer path", checkpoint(&format!("{web}/more"), "?export=true")),
        ("a slash at the end", plain("POST", &format!("/v5.0.0/libpod/containers/{web}/checkpoint/?export=true"))),
        ("another method", plain("GET", &format!("/v5.0.0/libpod/containers/{web}/checkpoint?export=true"))),
        ("Docker's path", plain("POST", &format!("/v1.41/containers/{web}/checkpoint?export=true"))),
        (
            "another version",
            plain("POST", &format!("/v4.0.0/libpod/containers/{web}/checkpoint?export=true&leaveRunning=true")),
        ),
        (
            "a version to come",
            plain("POST", &format!("/v9.0.0/libpod/containers/{web}/checkpoint?export=true&leaveRunning=true")),
        ),
        (
            "no version at all",
            plain("POST", &format!("/vx/libpod/containers/{web}/checkpoint?export=true&leaveRunning=true")),
        ),
        ("a restore", restore("&name=again", &file)),
        ("a restore with statistics", restore("&name=again&printStats=true", &file)),
        ("a restore of a name that is taken", restore(&format!("&name={web}"), &file)),
        ("a restore of its own name, which is taken", restore("", &file)),
        ("a restore into a pod that is not there", restore("&name=again&pod=none", &file)),
        ("a restore with connections, under another name", restore("&name=again&tcpEstablished=true", &file)),
        ("a restore of nothing", restore("&name=again", &["-H", "Content-Length: 0"])),
        ("a restore of what is no archive", restore("&name=again", &["--data-binary", "words"])),
        ("a restore of a whole disk of zeros", restore("&name=again", &["-T", "/dev/null"])),
        ("a restore with no boolean", restore("&name=again&keep=2", &[])),
        ("a restore in place of one that runs", post(&format!("/{web}/restore"))),
        ("a restore in place of one that is not there", post("/none/restore")),
        ("a restore in place of one that has ended", post("/ended/restore")),
    ]
}

/// What is compared of an answer: podman's words are not ours.
type Seen = (u16, String, Option<Vec<String>>);

/// Calls `socket`, for a container of its own.
fn seen(socket: &Path, name: &str, archive: &str) -> Vec<(&'static str, Seen)> {
    let web = Container::run(name, &[], COUNT);
    let again = Container::named(&format!("{name}-again"));
    let calls = calls(name, &web.inspect("{{.Id}}"), &again.name, archive);
    let answers = calls.into_iter().map(|(what, arguments)| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = curl(socket, &arguments).unwrap_or_else(|| panic!("{what}: no answer"));
        let keys = answer.keys();
        if keys.iter().flatten().any(|key| key == "runtime_restore_duration") {
            run("podman", &["rm", "-f", "-i", "-t", "0", &again.name]);
        }
        (what, (answer.status, answer.kind, keys))
    });
    let answers = answers.collect();
    assert!(web.goes_on(), "{name}");
    answers
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_each_call_is_answered_as_podman_answers_it() {
    let folder = folder();
    let archive = text(&folder.path().join("web.tar")).to_owned();
    let web = Container::run("web", &[], COUNT);
    let ended = Container::run("ended", &[], ":");
    ckpt(&["checkpoint", "web", "-R", "-e", &archive]);
    let podmans = PodmanService::begin();
    let upstream = format!("unix://{}", text(&podmans.socket));
    let served = Served::with(&["--upstream", &upstream], |_| {});
    let [ours, theirs] = std::thread::scope(|scope| {
        let callers = [(&served.socket, "web-ours"), (&podmans.socket, "web-theirs")];
        let archive = &archive;
        let threads = callers.map(|(socket, name)| scope.spawn(move || seen(socket, name, archive)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(ours.len() >= 30 && ours.iter().filter(|(_, seen)| seen.0 == 200).count() >= 10, "{ours:#?}");
    let different: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    assert!(different.is_empty(), "{different:#?}");
    // podman makes a container of such a name, which it does not find again.
    let url = format!("{CONTAINERS}/import/restore?import=true&name=/x");
    assert_eq!(served.curl(&["-X", "POST", "-T", &archive, &url]).unwrap().status, 500);
    drop((web, ended));
}
