//! A program that is checkpointed by CRIU, and restored with pages that come later.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use criu_pages::{Checkpoint, Image, Images, PageServer, Serving, State, StatusFile};
use tempfile::TempDir;

/// Longer takes only what hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// CRIU takes milliseconds.
const CRIU_PATIENCE: Duration = Duration::from_secs(3);

/// Images of `examples/memory.rs`, waiting.
pub(crate) struct Checkpointed {
    folder: TempDir,
}

impl Checkpointed {
    /// `what` is `check` or `change`.
    pub(crate) fn of(what: &str, mebibytes: usize, threads: usize) -> Result<Self> {
        let checkpointed = Self { folder: tempfile::tempdir()? };
        let (work, images) = (checkpointed.work(), checkpointed.images());
        fs::create_dir_all(&work)?;
        fs::create_dir_all(&images)?;
        // A session of its own, so that CRIU finds no terminal.
        let mut command = Command::new("setsid");
        command.arg(program()?).args([what, &mebibytes.to_string(), &threads.to_string()]).current_dir(&work);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let ready = (0..threads).map(|thread| work.join(format!("ready.{thread}")));
        for path in ready {
            wait_until("the program is ready", || path.exists())?;
        }
        let pid = child.id().to_string();
        let dumped = criu(&["dump", "-t", &pid, "-o", "dump.log", "-D"]).arg(&images).output()?;
        succeeded(&dumped, &images.join("dump.log"))?;
        child.wait()?;
        fs::write(work.join("go"), "")?;
        Ok(checkpointed)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.folder.path().join("images")
    }

    /// Where the pages are.
    pub(crate) fn pages(&self) -> PathBuf {
        self.images().join("pages-1.img")
    }

    fn server_from(&self, pages: Image, criu_directory: &Path) -> Result<PageServer> {
        let mut images = Images::in_directory(&self.images())?;
        images.insert("pages-1.img", pages);
        let checkpoint = Checkpoint::read(&images)?;
        ensure!(checkpoint.lazy_bytes() > 0);
        Ok(PageServer::new(checkpoint, criu_directory, &criu_directory.join("status")))
    }

    pub(crate) fn server(&self, criu_directory: &Path) -> Result<PageServer> {
        self.server_from(Image::open(&self.pages())?, criu_directory)
    }

    /// A server, and a program that runs.
    pub(crate) fn restore(&self) -> Result<Restored> {
        let mut restored = self.restore_from(Image::open(&self.pages())?, || Ok(()))?;
        let start = Instant::now();
        while restored.id_was_taken() && start.elapsed() < PATIENCE {
            restored = self.restore_from(Image::open(&self.pages())?, || Ok(()))?;
        }
        succeeded(&restored.criu, &restored.directory.path().join("restore.log"))?;
        Ok(restored)
    }

    /// As [`Self::restore`], with pages of another image, to which `spoil` does something once it is served from. CRIU
    /// may fail.
    pub(crate) fn restore_from(&self, pages: Image, spoil: impl FnOnce() -> Result<()>) -> Result<Restored> {
        let (directory, serving) = self.serve(pages)?;
        spoil()?;
        let criu = self.criu(directory.path()).output()?;
        self.restored(directory, serving, criu)
    }

    /// As [`Self::restore`], and does something while CRIU works, which may fail.
    pub(crate) fn restore_while<T>(&self, act: impl FnOnce(&StatusFile) -> Result<T>) -> Result<(Restored, T)> {
        let (directory, serving) = self.serve(Image::open(&self.pages())?)?;
        let mut child = self.criu(directory.path()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let done = act(serving.status())?;
        // If both are lost, the processes are dead, and CRIU may wait for one of them forever.
        let start = Instant::now();
        while child.try_wait()?.is_none() {
            if start.elapsed() > CRIU_PATIENCE && serving.status().read()?.state == State::Lost {
                child.kill()?;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let criu = child.wait_with_output()?;
        Ok((self.restored(directory, serving, criu)?, done))
    }

    fn serve(&self, pages: Image) -> Result<(TempDir, Serving)> {
        let _ = fs::remove_file(self.work().join("result"));
        let directory = tempfile::tempdir()?;
        let serving = self.server_from(pages, directory.path())?.start()?;
        Ok((directory, serving))
    }

    fn criu(&self, directory: &Path) -> Command {
        let mut command = criu(&["restore", "-d", "--lazy-pages", "-o", "restore.log", "--pidfile", "pid", "-D"]);
        command.arg(self.images()).arg("-W").arg(directory);
        command
    }

    fn restored(&self, directory: TempDir, serving: Serving, criu: Output) -> Result<Restored> {
        let pid = fs::read_to_string(directory.path().join("pid")).unwrap_or_default();
        Ok(Restored {
            serving,
            criu,
            pid: pid.trim().parse().unwrap_or(0),
            result: self.work().join("result"),
            directory,
        })
    }
}

/// A program that runs, or has run.
pub(crate) struct Restored {
    pub(crate) serving: Serving,
    /// How CRIU ended.
    pub(crate) criu: Output,
    /// 0 if CRIU made none.
    pub(crate) pid: u32,
    result: PathBuf,
    pub(crate) directory: TempDir,
}

impl Restored {
    /// What the program said; none if it was killed before.
    pub(crate) fn result(&self) -> Result<Option<String>> {
        wait_until("the program ends", || self.result.exists() || !program_is_alive(self.pid))?;
        wait_until("the program ends", || !program_is_alive(self.pid))?;
        Ok(self.result.exists().then(|| fs::read_to_string(&self.result)).transpose()?)
    }

    /// The lab's process IDs come round soon, and the program needs its own.
    pub(crate) fn id_was_taken(&self) -> bool {
        let log = fs::read_to_string(self.directory.path().join("restore.log")).unwrap_or_default();
        log.contains("File exists")
    }

    /// Nothing is left in CRIU's directory but what CRIU wrote.
    pub(crate) fn left(&self) -> Result<Vec<String>> {
        let names = fs::read_dir(self.directory.path())?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<String>>>()?;
        Ok(names.into_iter().filter(|name| !matches!(name.as_str(), "restore.log" | "pid" | "stats-restore")).collect())
    }
}

/// What the program prints.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {error}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

pub(crate) fn criu(arguments: &[&str]) -> Command {
    let mut command = Command::new("criu");
    command.args(&arguments[..1]).arg("-v4").args(&arguments[1..]).stdin(Stdio::null());
    command
}

pub(crate) fn succeeded(output: &Output, log: &Path) -> Result<()> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let end: Vec<&str> = text.lines().filter(|line| line.contains("rror")).collect();
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "criu: {}\n{error}\n{}", output.status, end.join("\n"));
    Ok(())
}

/// Cargo builds examples beside the tests.
fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let target = test.parent().and_then(Path::parent).context("the test lies in target/PROFILE/deps")?;
    Ok(target.join("examples/memory"))
}

/// IDs of the lab come again soon, so the name counts as well.
pub(crate) fn is_alive(pid: u32, name: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state`, proc(5).
    let rest = stat.split_once(&format!(" ({name}) "));
    // A zombie is dead (X) for a moment while its parent takes it away.
    rest.is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn program_is_alive(pid: u32) -> bool {
    is_alive(pid, "memory")
}

pub(crate) fn server_is_alive(pid: u32) -> bool {
    ["criu-pages", "uffd-reserve"].into_iter().any(|name| is_alive(pid, name))
}

pub(crate) fn wait_until(what: &str, reached: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !reached() {
        ensure!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
