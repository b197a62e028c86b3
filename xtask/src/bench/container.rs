//! The container that is measured: it counts in memory and has many changed files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::program;

const IMAGE: &str = "localhost/busybox";

/// The counter is a variable of the shell. What others can read of it is in
/// /dev/shm, so that the files stay as they are while it counts.
const COUNT: &str = "i=0; while :; do i=$((i+1)); echo $i > /dev/shm/counter; sleep 0.1; done";

/// Folder of the changed files inside the container.
pub(crate) const DATA: &str = "data";

/// Random once, then copies with another first block: nothing compresses or
/// deduplicates them, and `cat` writes each into blocks of its own.
const FILL: &str = r#"
    mkdir -p /data && cd /data
    head -c "$2" /dev/urandom > file1
    i=2
    while [ "$i" -le "$1" ]; do
        { printf "%016d" "$i"; tail -c +17 file1; } > "file$i"
        i=$((i + 1))
    done"#;

/// A container of podman, known by its name.
pub(crate) struct Container {
    name: String,
}

impl Container {
    /// The one of that name, whether it exists or not.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Starts it; the runtime is podman's default unless one is given.
    pub(crate) fn start(&self, runtime: Option<&str>) -> Result<()> {
        let runtime = runtime.map(|runtime| format!("--runtime={runtime}"));
        let options: Vec<&str> = runtime.iter().map(String::as_str).collect();
        self.start_script(&options, COUNT)
    }

    /// Starts it with options of `podman run`, and another script than the counter.
    pub(crate) fn start_script(&self, options: &[&str], script: &str) -> Result<()> {
        let mut podman = Command::new("podman");
        podman.args(["run", "--detach", "--network=none", "--name", &self.name]).args(options);
        program::run(podman.args([IMAGE, "sh", "-c", script])).map(drop)
    }

    /// Writes `count` files of `bytes` each, from inside.
    pub(crate) fn fill(&self, count: u32, bytes: u64) -> Result<()> {
        self.exec(&["sh", "-e", "-c", FILL, "fill", &count.to_string(), &bytes.to_string()]).map(drop)
    }

    pub(crate) fn exec(&self, words: &[&str]) -> Result<String> {
        program::run(Command::new("podman").args(["exec", &self.name]).args(words))
    }

    /// Where the counter stands.
    pub(crate) fn counter(&self) -> Result<u64> {
        let text = self.exec(&["cat", "/dev/shm/counter"])?;
        text.trim().parse().with_context(|| format!("the counter of {} is {text:?}", self.name))
    }

    pub(crate) fn inspect(&self, field: &str) -> Result<String> {
        let format = format!("{{{{.{field}}}}}");
        let text =
            program::run(Command::new("podman").args(["container", "inspect", "--format", &format, &self.name]))?;
        Ok(text.trim().to_owned())
    }

    pub(crate) fn upperdir(&self) -> Result<PathBuf> {
        self.inspect("GraphDriver.Data.UpperDir").map(PathBuf::from)
    }

    /// Runs it again from the checkpoint that the last one left in its bundle.
    pub(crate) fn restore_in_place(&self) -> Result<()> {
        self.remove_left_archive()?;
        program::run(Command::new("podman").args(["container", "restore", &self.name])).map(drop)
    }

    /// Fails unless it runs and has the files that [`Container::fill`] made.
    pub(crate) fn check(&self, count: u32, bytes: u64) -> Result<()> {
        let running = self.inspect("State.Running")?;
        ensure!(running == "true", "the restored container {} does not run", self.name);
        let folder = self.upperdir()?.join(DATA);
        for number in 1..=count {
            let path = folder.join(format!("file{number}"));
            let found = fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?.len();
            ensure!(found == bytes, "{} has {found} bytes, not {bytes}", path.display());
        }
        Ok(())
    }

    /// Removes it, running or not, or not there at all.
    pub(crate) fn remove(&self) -> Result<()> {
        program::run(Command::new("podman").args(["rm", "--force", "--ignore", "--time=0", &self.name])).map(drop)
    }

    /// podman leaves a copy of all changed files in the bundle of a container
    /// that it exported, and would unpack it over them at a restore in place.
    pub(crate) fn remove_left_archive(&self) -> Result<()> {
        let config = self.inspect("OCIConfigPath")?;
        let bundle = Path::new(&config).parent().context("the container has no bundle")?;
        for name in ["rootfs-diff.tar", "deleted.files"] {
            match fs::remove_file(bundle.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove podman's {name}"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
