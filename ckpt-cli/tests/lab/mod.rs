//! Real containers in the lab, and how to look at them. Each test file uses a part of this.
#![allow(dead_code)]

mod broken_criu;
#[path = "../../../aligntar/tests/tree/describe.rs"]
mod describe;
mod edited;
mod held_criu;
mod world;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[allow(unused_imports)] // see above
pub(crate) use broken_criu::{broken_criu, make_script, whole_criu};
#[allow(unused_imports)] // see above
pub(crate) use edited::edited;
#[allow(unused_imports)] // see above
pub(crate) use held_criu::{HeldCriu, wait_for_criu_to_end};
#[allow(unused_imports)] // see above
pub(crate) use world::{World, frozen_tasks};

pub(crate) const IMAGE: &str = "localhost/busybox";
pub(crate) const RUNTIMES: [&str; 2] = ["runc", "crun"];

/// Counts in memory and prints each number; keeps a log file open, to which it writes when it gets SIGUSR1.
pub(crate) const COUNT: &str = r#"
exec 3>>/var/log/app.log
trap 'echo "signal at $i" >&3' USR1
i=0
while :; do i=$((i+1)); echo $i; sleep 0.05; done
"#;

/// A folder on the file system that holds podman's storage, so that archives in it can be clones.
pub(crate) fn folder() -> TempDir {
    let fs = std::env::var("CKPT_LAB_FS").expect("these tests run in the lab: cargo xtask test");
    tempfile::tempdir_in(format!("/mnt/{fs}")).unwrap()
}

pub(crate) fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Runs a program that must succeed; gives what it prints.
pub(crate) fn succeed(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

pub(crate) fn podman(arguments: &[&str]) -> String {
    succeed("podman", arguments)
}

pub(crate) fn ckpt(arguments: &[&str]) -> String {
    succeed(env!("CARGO_BIN_EXE_ckpt"), arguments)
}

/// Runs `ckpt`, which must fail with one line for people; gives it. What other programs said stands below, indented.
pub(crate) fn ckpt_fails(arguments: &[&str]) -> String {
    let output = run(env!("CARGO_BIN_EXE_ckpt"), arguments);
    assert!(!output.status.success(), "ckpt {arguments:?} succeeded");
    let said = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("Warning: ") && !line.starts_with("  ")).collect();
    assert_eq!(errors.len(), 1, "ckpt {arguments:?} should say one line, said:\n{said}");
    assert!(errors[0].starts_with("Error: "), "{said}");
    errors[0].to_owned()
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Calls `look` until it gives something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look() {
            return found;
        }
        if Instant::now() > patience {
            println!("{}", process_table());
            panic!("waited too long for {what}");
        }
        sleep(Duration::from_millis(50));
    }
}

/// Who is there, and what each of them waits for.
pub(crate) fn process_table() -> String {
    let table = Command::new("ps").args(["-eo", "pid,ppid,stat,wchan:24,lstart,args"]).output();
    String::from_utf8_lossy(&table.map(|table| table.stdout).unwrap_or_default()).into_owned()
}

/// A container that is removed with this value.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    /// `podman run -d`, with options before the image and a shell script.
    pub(crate) fn run(name: &str, options: &[&str], script: &str) -> Self {
        let arguments = [&["run", "-d", "--name", name], options, &[IMAGE, "sh", "-c", script]].concat();
        podman(&arguments);
        Container { name: name.to_owned() }
    }

    /// A container that is there already, or soon will be.
    pub(crate) fn named(name: &str) -> Self {
        Container { name: name.to_owned() }
    }

    pub(crate) fn exec(&self, script: &str) -> String {
        podman(&["exec", &self.name, "sh", "-c", script])
    }

    pub(crate) fn inspect(&self, template: &str) -> String {
        podman(&["container", "inspect", "--format", template, &self.name])
    }

    /// Whether it goes on, once that is certain: podman learns a moment later that one has ended.
    pub(crate) fn goes_on(&self) -> bool {
        let count = self.numbers().len();
        wait_for("the container to go on or to have ended", || match self.is_running() {
            true => (self.numbers().len() > count).then_some(true),
            false => Some(false),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.inspect("{{.State.Status}}") == "running"
    }

    /// The numbers that [`COUNT`] printed, also before a checkpoint.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        podman(&["logs", &self.name]).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Waits until at least `count` numbers were printed.
    pub(crate) fn wait_for_numbers(&self, count: usize) -> Vec<u64> {
        wait_for("numbers", || Some(self.numbers()).filter(|numbers| numbers.len() >= count))
    }

    /// Has the counter write to the log file it holds open; gives the file's lines.
    pub(crate) fn signal(&self) -> Vec<String> {
        let lines = || -> Vec<String> { self.exec("cat /var/log/app.log").lines().map(str::to_owned).collect() };
        let before = lines().len();
        podman(&["kill", "--signal", "USR1", &self.name]);
        wait_for("a line in the log", || Some(lines()).filter(|lines| lines.len() > before))
    }

    /// The merged tree as the container has it: every attribute of every file.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, String> {
        let merged = podman(&["mount", &self.name]);
        let tree = describe::describe(Path::new(&merged));
        podman(&["umount", &self.name]);
        tree
    }

    pub(crate) fn cgroup(&self) -> String {
        let pid = self.inspect("{{.State.Pid}}");
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
    }

    pub(crate) fn remove(&self) {
        podman(&["rm", "--force", "--time", "0", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        run("podman", &["rm", "--force", "--ignore", "--time", "0", &self.name]);
    }
}

/// A named volume that is removed with this value.
pub(crate) struct Volume {
    pub(crate) name: String,
}

impl Volume {
    pub(crate) fn named(name: &str) -> Self {
        Volume { name: name.to_owned() }
    }

    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, String> {
        describe_tree(Path::new(&podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", &self.name])))
    }

    pub(crate) fn remove(&self) {
        podman(&["volume", "rm", &self.name]);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        run("podman", &["volume", "rm", "--force", &self.name]);
    }
}

pub(crate) fn describe_tree(root: &Path) -> BTreeMap<PathBuf, String> {
    describe::describe(root)
}

/// Trees line by line, so that a difference can be read.
pub(crate) fn assert_same_tree(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differences: Vec<_> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| format!("{path:?}\n  was {:?}\n  is  {:?}", before.get(path), after.get(path)))
        .collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// 1, 2, 3, … with nothing missing and nothing twice.
pub(crate) fn assert_consecutive(numbers: &[u64]) {
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected);
}

/// Used bytes of the file system that holds `folder`, everything written out.
pub(crate) fn used_bytes(folder: &Path) -> u64 {
    let opened = File::open(folder).unwrap();
    rustix::fs::syncfs(&opened).unwrap();
    let stat = rustix::fs::fstatvfs(&opened).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

/// What `--print-stats` prints of our own.
pub(crate) fn statistics(stdout: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(stdout).unwrap()["container_statistics"][0]["ckpt"].clone()
}
