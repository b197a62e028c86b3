//! `ckpt serve` at work, and clients of it.

mod member;

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{run, text, wait_for};
pub(crate) use member::{Member, UID};

/// podman's paths of containers.
pub(crate) const CONTAINERS: &str = "http://d/v5.0.0/libpod/containers";

/// A service that is ended with this value.
pub(crate) struct Served {
    process: Child,
    arguments: Vec<String>,
    folder: TempDir,
    pub(crate) socket: PathBuf,
}

impl Served {
    /// At a socket in a folder of its own, with a podman service of its own.
    pub(crate) fn begin() -> Self {
        Served::with(&[], |_| {})
    }

    /// The same, with further arguments, and whatever `change` does to the command.
    pub(crate) fn with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir_in("/run").unwrap();
        let socket = folder.path().join("ckpt.sock");
        let process = Served::spawn(&folder, &socket, arguments, change);
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let served = Served { process, arguments, folder, socket };
        served.wait();
        served
    }

    fn spawn(folder: &TempDir, socket: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Child {
        let log = fs::File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        command.args(["serve", &format!("unix://{}", text(socket))]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        change(&mut command);
        command.spawn().unwrap()
    }

    fn wait(&self) {
        wait_for("the socket", || {
            self.socket.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()).then_some(())
        });
    }

    /// The same service once more, after this one was killed by SIGKILL.
    pub(crate) fn kill_and_restart(&mut self) {
        self.signal(Signal::KILL);
        self.process.wait().unwrap();
        self.process = Served::spawn(&self.folder, &self.socket, &[], |_| {});
        wait_for("the service", || self.curl(&["http://d/_ping"]).filter(|answer| answer.status == 200).map(drop));
    }

    /// The same service once more, however this one ended, with what `change` does to the command.
    pub(crate) fn restart_with(&mut self, change: impl FnOnce(&mut Command)) {
        if self.process.try_wait().unwrap().is_none() {
            self.end();
        }
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        self.process = Served::spawn(&self.folder, &self.socket, &arguments, change);
        wait_for("the service", || self.curl(&["http://d/_ping"]).filter(|answer| answer.status == 200).map(drop));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Ends it, and gives how it ended.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.process.wait().unwrap().code()
    }

    pub(crate) fn wait_for_end(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", text(&self.socket))
    }

    /// What it and its podman said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// What it noted of operations.
    pub(crate) fn notes(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// A peak in the memory that it had, in MiB.
    pub(crate) fn peak_mebibytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid().as_raw_nonzero())).unwrap().count()
    }

    /// Runs curl; none if it gets no whole answer.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Option<Answer> {
        curl(&self.socket, arguments)
    }

    /// `podman --url`, which must succeed.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        crate::lab::podman(&[&["--url", &self.url()], arguments].concat())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log());
        }
        if self.process.try_wait().unwrap().is_none() {
            self.end();
        }
    }
}

/// podman's own service, ended with this value.
pub(crate) struct PodmanService {
    process: Child,
    _folder: TempDir,
    pub(crate) socket: PathBuf,
}

impl PodmanService {
    pub(crate) fn begin() -> Self {
        let folder = tempfile::tempdir_in("/run").unwrap();
        let socket = folder.path().join("podman.sock");
        let url = format!("unix://{}", text(&socket));
        let mut command = Command::new("podman");
        command.args(["system", "service", "--time", "0", &url]).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        wait_for("podman's service", || curl(&socket, &["http://d/_ping"]).map(drop));
        PodmanService { process, _folder: folder, socket }
    }
}

impl Drop for PodmanService {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        self.process.wait().unwrap();
    }
}

/// What curl got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The keys of the JSON in it, sorted; none if there is no JSON object.
    pub(crate) fn keys(&self) -> Option<Vec<String>> {
        let json: Value = serde_json::from_slice(&self.body).ok()?;
        let mut keys: Vec<String> = json.as_object()?.keys().cloned().collect();
        keys.sort();
        Some(keys)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn curl(socket: &Path, arguments: &[&str]) -> Option<Answer> {
    let body = tempfile::NamedTempFile::new_in("/run").unwrap();
    let own = ["-s", "--unix-socket", text(socket), "-o", text(body.path()), "-w", "%{http_code} %{content_type}"];
    let output = run("curl", &[&own, arguments].concat());
    if !output.status.success() {
        return None;
    }
    let said = String::from_utf8(output.stdout).unwrap();
    let (status, kind) = said.split_once(' ').unwrap();
    Some(Answer { status: status.parse().unwrap(), kind: kind.to_owned(), body: fs::read(body.path()).unwrap() })
}
