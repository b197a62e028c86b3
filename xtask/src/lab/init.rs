//! The lab's first process: sets it up, runs the command, reaps, cleans up.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::syncfs;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};
use rustix::system::sethostname;

use super::{EXIT_NOT_ENTERED, EntrySpec, FileSystem, busybox, cgroups, configuration, mounts, shell};

const CGROUPS: &str = "/sys/fs/cgroup";

/// How long killed processes may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Runs `command` in the lab; its exit code, or [`EXIT_NOT_ENTERED`].
pub(crate) fn init(spec: &EntrySpec, command: &[OsString]) -> ExitCode {
    let result = set_up(spec).and_then(|()| run(spec, command));
    let end = end_processes().and_then(|()| give_space_back());
    match (result, end) {
        (Ok(code), Ok(())) => ExitCode::from(code),
        (Ok(code), Err(error)) => {
            eprintln!("xtask: the command ended, but leaving the lab failed: {error:#}");
            ExitCode::from(if code == 0 { EXIT_NOT_ENTERED } else { code })
        }
        (Err(error), _) => {
            eprintln!("xtask: the lab cannot be entered: {error:#}");
            ExitCode::from(EXIT_NOT_ENTERED)
        }
    }
}

fn set_up(spec: &EntrySpec) -> Result<()> {
    spec.images.wait_until_free()?;
    mounts::enter(spec)?;
    sethostname(b"lab").context("cannot set the host name")?;
    shell::run_quietly(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    configuration::write(spec.v1_controllers, set_up_cgroups()?)?;
    busybox::make_image_unless_there()
}

/// Leaves the root of the cgroup namespace to groups, so that it can hand on
/// its controllers. Whether containers have the pids controller.
fn set_up_cgroups() -> Result<bool> {
    let leaf = Path::new(CGROUPS).join("init");
    fs::create_dir(&leaf).context("cannot make a cgroup inside the lab")?;
    cgroups::enter(&leaf)?;
    cgroups::delegate_controllers(Path::new(CGROUPS));
    let controllers = fs::read_to_string(Path::new(CGROUPS).join("cgroup.subtree_control"))
        .context("cannot read the cgroup's controllers")?;
    Ok(controllers.split_whitespace().any(|name| name == "pids"))
}

fn run(spec: &EntrySpec, command: &[OsString]) -> Result<u8> {
    env::set_current_dir(&spec.working_directory)
        .with_context(|| format!("cannot enter {}", spec.working_directory.display()))?;
    let (program, arguments) = command.split_first().context("no command given")?;
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("xtask: cannot start {}: {error}", program.display());
            return Ok(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let child = Pid::from_child(&child);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => return Ok(shell_code(status)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the command"),
        }
    }
}

fn shell_code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Ends what the command left running, so that it writes no more.
fn end_processes() -> Result<()> {
    let end = Instant::now() + END_LIMIT;
    loop {
        let others = other_processes()?;
        if others.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < end, "processes do not end: {others:?}");
        for pid in others {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        thread::sleep(Duration::from_millis(1));
    }
}

fn other_processes() -> Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc").context("cannot list /proc")?;
    Ok(entries
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|&pid| pid != Pid::INIT)
        .collect())
}

/// Punches holes into the images where files were deleted. A file system has
/// the space of a deleted file free only after the deletion is committed.
fn give_space_back() -> Result<()> {
    for fs in FileSystem::ALL {
        let mount_point = Path::new("/mnt").join(fs.name());
        File::open(&mount_point)
            .and_then(|folder| Ok(syncfs(folder)?))
            .with_context(|| format!("cannot write {fs} back"))?;
        shell::run_quietly(Command::new("fstrim").arg(&mount_point))?;
    }
    Ok(())
}
