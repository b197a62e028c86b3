//! Programs that stand still when they are to do something, and runs of `ckpt` that use them.

use std::fs;
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{installed, make_script, path_with, run, wait_for};

/// A program that, when it is to do something, says so and waits to be let go.
pub(crate) struct Held {
    bin: TempDir,
    program: String,
}

impl Held {
    /// A `program` that is held when its arguments have the words `what`.
    pub(crate) fn at(program: &str, what: &str) -> Self {
        let bin = tempfile::tempdir().unwrap();
        let whole = installed(program);
        let [reached, go] = ["reached", "go"].map(|name| bin.path().join(name).display().to_string());
        let wait =
            format!("echo $$ > {reached}.new; mv {reached}.new {reached}; until [ -e {go} ]; do sleep 0.01; done");
        let script = format!("case \" $* \" in *' {what} '*) {wait};; esac\nexec {whole} \"$@\"");
        make_script(&bin.path().join(program), &script);
        Held { bin, program: program.to_owned() }
    }

    /// Where it lies alone.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.bin.path()
    }

    pub(crate) fn path(&self) -> String {
        self.bin.path().join(&self.program).display().to_string()
    }

    /// `ckpt`, which finds this program first and whose words on standard error can be read.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        ckpt.args(arguments)
            .env("PATH", path_with(self.bin.path()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Waits until it says so; gives its process.
    pub(crate) fn reached(&self) -> Pid {
        let pid = wait_for(&self.program, || fs::read_to_string(self.bin.path().join("reached")).ok());
        Pid::from_raw(pid.trim().parse().unwrap()).unwrap()
    }

    pub(crate) fn let_go(&self) {
        fs::write(self.bin.path().join("go"), "").unwrap();
    }
}

/// Kills `ckpt` and others at once, and waits for its end. Those may end with it, before they are killed.
pub(crate) fn kill(ckpt: &mut Child, others: &[Pid]) {
    kill_process(Pid::from_child(ckpt), Signal::KILL).unwrap();
    for &pid in others {
        assert!(matches!(kill_process(pid, Signal::KILL), Ok(()) | Err(Errno::SRCH)));
    }
    ckpt.wait().unwrap();
}

/// Kills all processes whose command line begins with one of `titles`; gives how many.
pub(crate) fn kill_all(titles: &[&str]) -> usize {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is_meant = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        titles.iter().any(|title| arguments.starts_with(title.as_bytes()))
    };
    let killed = pids.filter(is_meant).filter_map(Pid::from_raw).filter(|pid| kill_process(*pid, Signal::KILL).is_ok());
    killed.count()
}

/// The podmans that work for a `ckpt`.
pub(crate) fn podmans_of_ckpt() -> Vec<Pid> {
    let found = String::from_utf8(run("pgrep", &["-f", "podman container .*/run/ckpt/"]).stdout).unwrap();
    found.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// Raises the interrupt of a `ckpt` that waits, which has to fail for that and for nothing else; gives its words.
pub(crate) fn interrupt(mut ckpt: Child) -> String {
    kill_process(Pid::from_child(&ckpt), Signal::INT).unwrap();
    wait_for("ckpt to hear it", || ckpt.try_wait().unwrap());
    let output = ckpt.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("interrupted"), "{}: {said}", output.status);
    said
}
