//! The demo as root, inside the lab: a container is frozen and copied, by `ckpt` and by podman.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::comparison::Comparison;
use super::outcome::{Cost, Names, Outcome, table};
use super::step;
use crate::bench::{Container, Disk, Interrupt, measure, run_program};
use crate::lab::FileSystem;

/// On podman's file system: elsewhere nothing could be cloned.
const FOLDER: &str = "/var/lib/containers/demo";

const ORIGINAL: &str = "demo";
const COPY: &str = "demo-copy";

const FILE_BYTES: u64 = 100_000_000;

/// More than big new files: edits, deletions, a folder made again, links, modes and owners.
const CHANGE: &str = "
    cd /srv/tree
    echo changed >> folder0/file0
    rm -r folder1 && mkdir folder1 && echo new > folder1/new
    rm symlink && ln -s folder2/file2 another-symlink && ln folder2/file2 another-hardlink
    touch with-xattr && chmod 4711 setuid && chown 1000:1000 folder3 && mkfifo fifo
    truncate -s 10M hole && echo end >> hole";

/// Disk that is in use at most: the files, podman's archive of them, and podman's
/// restored copy, for which it unpacks the archive twice.
pub(super) fn needed_bytes(gigabytes: u32) -> u64 {
    (u64::from(gigabytes) * 4 + 1) * 1_000_000_000
}

/// What runs inside the lab; leaves no container and no archive, whatever happens.
pub(crate) fn run_inside(gigabytes: u32, fs: FileSystem) -> Result<ExitCode> {
    let job = Job::new()?;
    let shown = job.show(gigabytes, fs);
    let removed = step::run("remove everything", || job.remove());
    let succeeded = shown?;
    removed?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Job {
    archive: PathBuf,
    disk: Disk,
    original: Container,
    copy: Container,
    interrupt: Interrupt,
}

impl Job {
    /// Also removes what a killed demo left.
    fn new() -> Result<Self> {
        fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
        let job = Self {
            archive: Path::new(FOLDER).join("demo.tar"),
            disk: Disk::of(Path::new(FOLDER))?,
            original: Container::named(ORIGINAL),
            copy: Container::named(COPY),
            interrupt: Interrupt::listen()?,
        };
        job.copy.remove()?;
        job.original.remove()?;
        Ok(job)
    }

    /// Whether `ckpt` did what it promises.
    fn show(&self, gigabytes: u32, fs: FileSystem) -> Result<bool> {
        self.make_container(gigabytes, fs)?;
        let ours = self.ours()?;
        self.step("the original goes on, from its checkpoint", || self.original.restore_in_place())?;
        let other = self.podmans()?;
        let names = Names { save: "checkpoint", copy: "restore as a copy", other: "podman" };
        println!("\n{}", table(&names, &ours, &other));
        println!(
            "Compared: {} entries by type, mode, owner, size, links, xattrs and time in ns; {:.2} GB, every byte.\n",
            ours.tree.entries,
            ours.tree.content_bytes as f64 / 1e9
        );
        Ok(ours.tree.is_identical() && ours.goes_on())
    }

    fn make_container(&self, gigabytes: u32, fs: FileSystem) -> Result<()> {
        println!("\nA container that counts, with {gigabytes} GB of changed files, on {fs}");
        let free = self.disk.free()?;
        ensure!(
            free >= needed_bytes(gigabytes),
            "the lab's {fs} has only {:.0} GB free: try fewer --gigabytes",
            free as f64 / 1e9
        );
        self.step("podman run demo", || self.original.start(None))?;
        self.step(&format!("write {gigabytes} GB from inside, edit and delete files of the image"), || {
            self.original.exec(&["sh", "-e", "-c", CHANGE])?;
            self.original.fill(gigabytes * 10, FILE_BYTES)
        })
    }

    fn ours(&self) -> Result<Outcome> {
        let mut save = Command::new("ckpt");
        save.args(["checkpoint", ORIGINAL, "-e"]).arg(&self.archive);
        let mut copy = Command::new("ckpt");
        copy.args(["restore", "-i"]).arg(&self.archive).args(["--name", COPY]);
        self.outcome(&mut save, &mut copy)
    }

    fn podmans(&self) -> Result<Outcome> {
        let mut save = Command::new("podman");
        save.args(["container", "checkpoint", ORIGINAL, "-e"]).arg(&self.archive);
        let mut copy = Command::new("podman");
        copy.args(["container", "restore", "-i"]).arg(&self.archive).args(["--name", COPY]);
        self.outcome(&mut save, &mut copy)
    }

    /// The checkpoint stops the original, so its files stay as they were at that moment.
    fn outcome(&self, save: &mut Command, copy: &mut Command) -> Result<Outcome> {
        let mut counter = (0, 0);
        let save = self.cost(|| {
            counter.0 = self.original.counter()?;
            self.timed(save)
        })?;
        self.original.remove_left_archive()?;
        let copy = self.cost(|| {
            let elapsed = self.timed(copy)?;
            counter.1 = self.copy.counter()?;
            Ok(elapsed)
        })?;
        let tree = self.step("compare the copy's tree with the original's, byte by byte", || self.compare())?;
        self.copy.remove()?;
        fs::remove_file(&self.archive).context("cannot remove the archive")?;
        Ok(Outcome { save, copy, counter: Some(counter), tree })
    }

    /// The time that `work` tells, and what the disk lost by it.
    fn cost(&self, work: impl FnOnce() -> Result<Duration>) -> Result<Cost> {
        let used = self.disk.used_when_idle()?;
        let elapsed = work()?;
        let grown_bytes = self.disk.used_when_idle()?.cast_signed().wrapping_sub(used.cast_signed());
        Ok(Cost { elapsed, grown_bytes })
    }

    fn timed(&self, command: &mut Command) -> Result<Duration> {
        self.step(&line(command), || Ok(measure(command)?.elapsed))
    }

    fn compare(&self) -> Result<Comparison> {
        let tree = |name: &str| {
            let path = run_program(Command::new("podman").args(["mount", name]))?;
            anyhow::Ok(PathBuf::from(path.trim()))
        };
        let comparison = Comparison::of(&tree(ORIGINAL)?, &tree(COPY)?)?;
        run_program(Command::new("podman").args(["unmount", ORIGINAL, COPY]))?;
        Ok(comparison)
    }

    fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.interrupt.check()?;
        step::run(what, work).or_else(|error| self.interrupt.check().and(Err(error)))
    }

    fn remove(&self) -> Result<()> {
        self.copy.remove()?;
        self.original.remove()?;
        fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))
    }
}

/// The command as one would type it in the archive's folder.
fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().replace(&format!("{FOLDER}/"), "")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_without_the_folder() {
        let mut command = Command::new("ckpt");
        command.args(["restore", "-i"]).arg(Path::new(FOLDER).join("demo.tar"));
        assert_eq!(line(&command), "ckpt restore -i demo.tar");
    }
}
