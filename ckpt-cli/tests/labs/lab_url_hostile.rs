//! The socket's own protocol, with descriptors that would do harm, and with a client of another program.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::lab::*;
use crate::served::*;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, open};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};

/// A client that has asked for something.
struct Asked {
    stream: UnixStream,
    answer: BufReader<UnixStream>,
}

impl Asked {
    fn ask(socket: &Path, arguments: &[&str], descriptors: &[BorrowedFd<'_>]) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        let head = "POST /ckpt/v1/command HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        let sent = sendmsg(&stream, &[IoSlice::new(head.as_bytes())], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(sent, head.len());
        let answer = BufReader::new(stream.try_clone().unwrap());
        let mut asked = Asked { stream, answer };
        asked.say(&json!({ "arguments": arguments }));
        asked
    }

    fn say(&mut self, value: &Value) {
        let line = format!("{value}\n");
        write!(self.stream, "{:x}\r\n{line}\r\n", line.len()).unwrap();
    }

    /// The next line of the answer; none at its end.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.answer.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    /// All of it: the status, and what is said on standard error.
    fn finish(mut self) -> (u64, String) {
        let mut said = String::new();
        while let Some(line) = self.next() {
            said += line["stderr"].as_str().unwrap_or_default();
            if line.get("whole").is_some() {
                self.say(&json!("kept"));
            }
            if let Some(status) = line["status"].as_u64() {
                return (status, said);
            }
        }
        panic!("no status: {said}");
    }
}

fn opened(path: &Path, flags: OFlags) -> File {
    open(path, flags | OFlags::CREATE, Mode::RUSR | Mode::WUSR).unwrap().into()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_hostile_descriptors_do_no_harm() {
    let folder = folder();
    let web = Container::run("web", &[], COUNT);
    let file = |name: &str| folder.path().join(name);
    ckpt(&["checkpoint", "web", "-R", "-e", text(&file("web.tar"))]);
    fs::write(file("words"), "words").unwrap();
    succeed("mkfifo", &[text(&file("fifo"))]);
    let world = World::at_rest(folder.path());
    let mut served = Served::begin();
    let sealed = File::from(memfd_create("x", MemfdFlags::ALLOW_SEALING).unwrap());
    fcntl_add_seals(&sealed, SealFlags::WRITE).unwrap();
    let socket = UnixStream::pair().unwrap().0;
    let pipe = std::io::pipe().unwrap();
    let targets: [(&str, OwnedFd); 10] = [
        ("a folder", File::open(folder.path()).unwrap().into()),
        ("a device", File::options().read(true).write(true).open("/dev/null").unwrap().into()),
        ("a socket", socket.into()),
        ("writing", OwnedFd::from(pipe.0)),
        ("reading and writing", opened(&file("new"), OFlags::RDONLY).into()),
        ("reading and writing", opened(&file("new"), OFlags::RDWR | OFlags::APPEND).into()),
        ("more than its path", open(file("words"), OFlags::PATH, Mode::empty()).unwrap()),
        ("empty file", opened(&file("words"), OFlags::RDWR).into()),
        ("on no disk", File::options().read(true).write(true).open("/proc/self/oom_score_adj").unwrap().into()),
        ("write", sealed.into()),
    ];
    for (why, target) in &targets {
        let asked = Asked::ask(&served.socket, &["checkpoint", "web", "-e", "x.tar"], &[target.as_fd()]);
        let (status, said) = asked.finish();
        assert_eq!(status, 1, "{why}: {said}");
        assert_says(&said, &["Error: write x.tar: ", why]);
        assert!(web.is_running(), "{why}");
    }
    drop(pipe.1);
    let sources: [(&str, OwnedFd); 5] = [
        ("a folder", File::open(folder.path()).unwrap().into()),
        ("a device", File::open("/dev/zero").unwrap().into()),
        ("reading", opened(&file("words"), OFlags::WRONLY).into()),
        // It would be read with root's rights.
        ("more than its path", open(file("web.tar"), OFlags::PATH, Mode::empty()).unwrap()),
        ("on no disk", File::open("/proc/self/status").unwrap().into()),
    ];
    for (why, source) in &sources {
        let arguments = ["restore", "--trust", "-n", "again", "-i", "x.tar"];
        let (status, said) = Asked::ask(&served.socket, &arguments, &[source.as_fd()]).finish();
        assert_eq!(status, 1, "{why}: {said}");
        assert_says(&said, &["Error: read x.tar: ", why]);
    }
    // A FIFO that nobody writes to: the client that goes ends the wait.
    let fifo = open(file("fifo"), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
    let asked = Asked::ask(&served.socket, &["restore", "--trust", "-i", "x.tar"], &[fifo.as_fd()]);
    sleep(Duration::from_millis(300));
    drop(asked);
    // Paths are names, and without a descriptor there is nothing behind them.
    let precious = file("precious");
    fs::write(&precious, "words").unwrap();
    let precious = text(&precious);
    for arguments in [
        &["checkpoint", "web", "-R", "-e", precious][..],
        &["checkpoint", "web", "-R", "-e", text(folder.path())],
        &["checkpoint", "web", "-R", "-e", "-"],
        &["checkpoint", "web", "-P", "-e", precious],
        &["fork", "web", "-c", "1", "--keep", precious],
        &["restore", "--trust", "-n", "again", "-i", text(&file("web.tar"))],
        &["restore", "--trust", "-n", "again", "-i", "-"],
        &["inspect", text(&file("web.tar"))],
        &["history", "--store", text(folder.path())],
        &["history", "../.."],
        &["save", "web", "--store", text(folder.path())],
        &["pack", text(folder.path()), "-f", precious],
        &["unpack", text(&file("web.tar")), "-C", text(folder.path())],
        &["serve", "/run/another.sock"],
        &["served"],
        &[],
    ] {
        let (status, said) = Asked::ask(&served.socket, arguments, &[]).finish();
        assert!(status > 0 && !said.is_empty(), "{arguments:?}: {status} {said}");
        assert_eq!(fs::read_to_string(precious).unwrap(), "words", "{arguments:?}");
    }
    // What is lent is meant, whatever file of the host has the name.
    for (lent, name, expected) in [("words", file("web.tar"), 1), ("web.tar", file("words"), 0)] {
        let lent = File::open(file(lent)).unwrap();
        let (status, said) = Asked::ask(&served.socket, &["inspect", text(&name)], &[lent.as_fd()]).finish();
        assert_eq!(status, expected, "{}: {said}", name.display());
    }
    fs::remove_file(precious).unwrap();
    fs::remove_file(file("new")).unwrap();
    assert!(!run("podman", &["container", "exists", "again"]).status.success());
    assert!(web.goes_on());
    // As many descriptors as can be, for nothing, and with podman's calls.
    let many: Vec<File> = (0..253).map(|_| File::open("/").unwrap()).collect();
    let many: Vec<BorrowedFd<'_>> = many.iter().map(AsFd::as_fd).collect();
    let (status, _) = Asked::ask(&served.socket, &["lazy"], &many).finish();
    assert_eq!(status, 0);
    wait_for("descriptors to be closed", || (served.descriptors() < 20).then_some(()));
    assert!(served.peak_mebibytes() <= 64);
    assert_consecutive(&web.numbers());
    assert_eq!(served.end(), Some(0));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_client_that_changes_its_file_harms_only_itself() {
    let folder = folder();
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; sync");
    let served = Served::begin();
    let memory = File::from(memfd_create("x", MemfdFlags::empty()).unwrap());
    // A file in memory is as good as any other, though nothing is cloned into it.
    let asked = Asked::ask(&served.socket, &["checkpoint", "web", "-R", "-e", "x.tar"], &[memory.as_fd()]);
    assert_eq!(asked.finish().0, 0);
    assert!(memory.metadata().unwrap().len() > 3_000_000);
    // One who truncates, until the end.
    let file = opened(&folder.path().join("x.tar"), OFlags::RDWR);
    let mut asked = Asked::ask(&served.socket, &["checkpoint", "web", "-e", "x.tar"], &[file.as_fd()]);
    let stays = file.try_clone().unwrap();
    let truncating = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (goes_on, truncated) = (truncating.clone(), stays);
    let thread = std::thread::spawn(move || {
        while goes_on.load(std::sync::atomic::Ordering::Relaxed) {
            truncated.set_len(0).unwrap();
        }
    });
    let mut status = None;
    while let Some(line) = asked.next() {
        if line.get("whole").is_some() {
            // It does not want the archive: the container goes on.
            asked.say(&json!({ "not_kept": "no room for it" }));
        }
        status = status.or(line["status"].as_u64());
    }
    truncating.store(false, std::sync::atomic::Ordering::Relaxed);
    thread.join().unwrap();
    assert_eq!(status, Some(1));
    assert!(web.goes_on());
    // An archive that shrinks while it is read.
    ckpt(&["checkpoint", "web", "-R", "-e", text(&folder.path().join("web.tar"))]);
    let archive = File::options().read(true).write(true).open(folder.path().join("web.tar")).unwrap();
    for round in 0..4 {
        let length = archive.metadata().unwrap().len();
        let asked = Asked::ask(&served.socket, &["restore", "-i", "x.tar", "-n", "again"], &[archive.as_fd()]);
        sleep(Duration::from_millis(100 * round));
        archive.set_len(length / 2).unwrap();
        asked.finish();
        run("podman", &["rm", "-f", "-i", "-t", "0", "again"]);
        fs::remove_file(folder.path().join("web.tar")).unwrap();
        ckpt(&["checkpoint", "web", "-R", "-e", text(&folder.path().join("web.tar"))]);
    }
    assert_eq!(served.curl(&["http://d/_ping"]).unwrap().status, 200);
    assert!(web.goes_on());
    assert_consecutive(&web.numbers());
}

/// The page of the protocol has a client, in Python.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_example_of_the_protocol_works() {
    let member = Member::begin();
    let web = Container::run("web", &[], COUNT);
    let script = member.folder.join("client.py");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/socket-client.py"), &script).unwrap();
    let mut python = member.command("python3");
    let output = python.args([text(&script), text(&member.served.socket), "web", "web.tar"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"web\n");
    assert_says(&member.shell("tar -tf web.tar"), &["ckpt.json"]);
    // A request that is none.
    let body = member.file("body");
    for words in ["", "words\n", "{\"arguments\": []", "{\"paths\": []}\n", &"x".repeat(200_000)] {
        fs::write(&body, words).unwrap();
        let body = format!("@{}", text(&body));
        let chunked = ["-X", "POST", "-H", "Transfer-Encoding: chunked", "--data-binary", &body];
        let answer = member.served.curl(&[&chunked[..], &["http://d/ckpt/v1/command"]].concat()).unwrap();
        assert_eq!((answer.status, answer.json()["response"].as_u64()), (400, Some(400)), "{words:.20}");
    }
    let mut answer = String::new();
    let mut stream = UnixStream::connect(&member.served.socket).unwrap();
    stream.write_all(b"GET /ckpt/v1/command HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(web.goes_on());
}
