//! Containers with a program that checks its memory while it comes (`examples/memory.rs` of criu-pages).

use std::fs;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::lab::*;

/// busybox, the program, and what it loads.
const IMAGE: &str = "localhost/remembering";

const MAKE_IMAGE: &str = r#"
set -e
root=$1 program=$2 libraries=/usr/lib/x86_64-linux-gnu
mkdir -p $root/bin $root/srv $root/signal $root/usr/lib64 $root$libraries
cp "$(command -v busybox)" $root/bin/busybox
for name in sh true cat ln; do ln -s busybox $root/bin/$name; done
ln -s usr/lib $root/lib; ln -s usr/lib64 $root/lib64
cp -L /lib64/ld-linux-x86-64.so.2 $root/usr/lib64
ldd $program | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read library; do cp -L $library $root$libraries; done
cp $program $root/memory
tar -C $root -c . | podman import --quiet - localhost/remembering
"#;

/// Cargo builds examples beside the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples/memory")
}

fn make_image() {
    if !run("podman", &["image", "exists", IMAGE]).status.success() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        succeed("bash", &["-c", MAKE_IMAGE, "make-image", text(root.path()), text(&program())]);
    }
}

/// An archive of a container whose program waits; in those that are restored from it, it begins at once.
pub(crate) struct Remembered {
    pub(crate) folder: TempDir,
    pub(crate) name: &'static str,
}

impl Remembered {
    /// `what` the program is to do (`check`, `change` or `fork`), in how many `threads` of how many `mebibytes` in all.
    pub(crate) fn new(options: &[&str], what: &str, mebibytes: usize, threads: usize) -> Self {
        let remembered = Remembered { folder: folder(), name: "remembering" };
        remembered.checkpoint(options, what, mebibytes, threads);
        remembered
    }

    fn checkpoint(&self, options: &[&str], what: &str, mebibytes: usize, threads: usize) {
        make_image();
        let signal = self.folder.path().join("signal");
        fs::create_dir_all(&signal).unwrap();
        let mount = format!("{}:/signal", signal.display());
        let options = [&["--network", "none", "-v", &mount][..], options].concat();
        let script = format!("cd /signal; exec /memory {what} {mebibytes} {threads}");
        let container = Container::run_image(self.name, &options, IMAGE, &["/bin/sh", "-c", &script]);
        wait_for("the program", || {
            (0..threads).all(|thread| signal.join(format!("ready.{thread}")).exists()).then_some(())
        });
        container.checkpoint_and_remove(&self.archive());
        self.let_go();
    }

    /// Those that are restored from now on begin at once.
    pub(crate) fn let_go(&self) {
        fs::write(self.folder.path().join("signal/go"), "").unwrap();
    }

    /// Those that are restored from now on wait.
    pub(crate) fn hold(&self) {
        fs::remove_file(self.folder.path().join("signal/go")).unwrap();
    }

    /// What processes said that found a wrong page, those of containers that are gone among them.
    pub(crate) fn wrong_pages(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("signal")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("wrong")).collect()
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.folder.path().join("archive.tar")
    }

    pub(crate) fn restore(&self) -> Container {
        ckpt(&["restore", "-i", text(&self.archive()), "--lazy=always"]);
        Container::named(self.name)
    }

    /// A container of which only what it asked for has come, and no more does.
    pub(crate) fn restore_and_stop_server(&self) -> (Container, StoppedServer) {
        let stopping = StoppedServer::when_it_arrives();
        let container = self.restore();
        (container, stopping.join().unwrap())
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.wrong_pages(), [""; 0]);
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It checked all its memory.
    Right,
    /// It was killed.
    Dead,
}

/// Waits for the container's end; fails if its program found a wrong page, or ended otherwise.
pub(crate) fn end_of(container: &Container) -> End {
    wait_for("the container to end", || (!container.is_running()).then_some(()));
    match &container.inspect("{{.State.ExitCode}}")[..] {
        "0" => End::Right,
        // By SIGKILL (128 + 9). What finds zeros where its stack was ends by another signal.
        "137" => End::Dead,
        code => panic!("the program ended with {code}: {}", podman(&["logs", &container.name])),
    }
}

pub(crate) fn id_of(container: &Container) -> String {
    container.inspect("{{.Id}}")
}

fn notes() -> PathBuf {
    PathBuf::from("/run/ckpt/sessions/memory")
}

/// A value of the notes on a container's memory.
pub(crate) fn noted(id: &str, what: &str) -> Option<String> {
    let text = fs::read_to_string(notes().join(id)).ok()?;
    text.lines().find_map(|line| Some(line.strip_prefix(what)?.strip_prefix(' ')?.to_owned()))
}

/// Server and keeper of the container, those that are there.
pub(crate) fn servers_of(id: &str) -> Vec<Pid> {
    ["server", "keeper"].into_iter().filter_map(|who| server_of(id, who)).collect()
}

/// The one of both that is called so, if it is there.
pub(crate) fn server_of(id: &str, who: &str) -> Option<Pid> {
    Pid::from_raw(noted(id, who)?.parse().ok()?).filter(|&pid| is_server(pid))
}

fn is_server(pid: Pid) -> bool {
    let comm = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero())).unwrap_or_default();
    matches!(comm.trim(), "criu-pages" | "uffd-reserve")
}

/// Waits until no server is left, and fails if one leaves anything but a note on memory that was `lost`.
pub(crate) fn assert_no_server_left(lost: &[&str]) {
    wait_for("the servers to end", || {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        (!pids.any(is_server)).then_some(())
    });
    let names = fs::read_dir(notes()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    assert_eq!(names, lost);
}

/// A server that stands still until this value is dropped.
pub(crate) struct StoppedServer(Pid);

impl StoppedServer {
    /// Stops the next server that begins to bring pages.
    pub(crate) fn when_it_arrives() -> JoinHandle<Self> {
        thread::spawn(|| {
            let is_arriving = |id: &String| noted(id, "state").as_deref() == Some("arriving");
            loop {
                let ids = fs::read_dir(notes()).into_iter().flatten().flatten();
                let mut ids = ids.filter_map(|entry| entry.file_name().into_string().ok());
                if let Some(id) = ids.find(is_arriving) {
                    let server = server_of(&id, "server").unwrap();
                    kill_process(server, Signal::STOP).unwrap();
                    return StoppedServer(server);
                }
                thread::sleep(Duration::from_micros(200));
            }
        })
    }
}

impl StoppedServer {
    /// Lets it go on until the file is there that keeps podman from a checkpoint.
    pub(crate) fn once_occupied(self, container: &Container) -> Self {
        let bundle = PathBuf::from(container.inspect("{{.StaticDir}}"));
        kill_process(self.0, Signal::CONT).unwrap();
        while !bundle.join("checkpoint").is_file() {
            assert!(is_server(self.0), "all memory came before");
            thread::sleep(Duration::from_micros(200));
        }
        kill_process(self.0, Signal::STOP).unwrap();
        self
    }
}

impl Drop for StoppedServer {
    fn drop(&mut self) {
        // It may have been killed.
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// What `ckpt lazy` tells of a container: its state, and why its memory was lost.
pub(crate) fn told(name: &str) -> Option<(String, String)> {
    let json = ckpt(&["lazy", name, "--format", "json"]);
    crate::schema::assert_is_as_said("lazy", &json);
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    let word = |what: &str| all[0][what].as_str().map(str::to_owned);
    Some((word("state")?, word("reason").unwrap_or_default()))
}
