//! Programs whose pages come later, and restores that fail.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use crate::lab::{Checkpointed, criu, run, server_is_alive, succeeded, wait_until};
use anyhow::{Result, ensure};
use criu_pages::{Image, State, StatusFile};
use half_readable::HalfReadable;
use tempfile::TempDir;

fn arrives_right(what: &str, mebibytes: usize, threads: usize) -> Result<()> {
    let checkpointed = Checkpointed::of(what, mebibytes, threads)?;
    let restored = checkpointed.restore()?;
    let result = restored.result()?;
    let status = restored.serving.status().wait()?;
    ensure!(result.as_deref() == Some("ok"), "{result:?} {status:?}");
    ensure!(status.state == State::Complete, "{status:?}");
    ensure!(status.arrived_bytes == status.lazy_bytes, "{status:?}");
    ensure!(restored.left()?.is_empty(), "{:?}", restored.left());
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_every_page_arrives_for_one_thread() -> Result<()> {
    arrives_right("check", 256, 1)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_every_page_arrives_for_eight_threads() -> Result<()> {
    arrives_right("check", 256, 8)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_thread_changes_its_memory_meanwhile() -> Result<()> {
    arrives_right("change", 128, 1)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_eight_threads_change_their_memory_meanwhile() -> Result<()> {
    arrives_right("change", 256, 8)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_truncated_image_kills_the_program_and_is_named() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 256, 1)?;
    // CRIU reads another: it needs some of the pages itself.
    let copy = checkpointed.images().join("copy");
    fs::copy(checkpointed.pages(), &copy)?;
    let file = OpenOptions::new().write(true).open(&copy)?;
    let restored = checkpointed.restore_from(Image::open(&copy)?, || Ok(file.set_len(100_000_000)?))?;
    let status = restored.serving.status().wait()?;
    ensure!(status.state == State::Failed, "{status:?}");
    ensure!(status.reason.as_deref().is_some_and(|reason| reason.contains("cannot read the pages")), "{status:?}");
    ensure!(restored.result()?.is_none());
    ensure!(restored.left()? == ["status"]);
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_an_error_of_the_disk_kills_the_program_and_is_named() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 128, 2)?;
    let bytes = fs::read(checkpointed.pages())?;
    let memory = HalfReadable::of(&bytes)?;
    // The kernel reads this file with EIO where there is no memory (`mem_rw`, fs/proc/base.c).
    let image = Image::new(Arc::new(File::open("/proc/self/mem")?), memory.address(), bytes.len() as u64);
    let restored = checkpointed.restore_from(image, || Ok(()))?;
    let status = restored.serving.status().wait()?;
    ensure!(status.state == State::Failed, "{status:?}");
    ensure!(status.reason.as_deref().is_some_and(|reason| reason.contains("Input/output error")), "{status:?}");
    ensure!(restored.result()?.is_none());
    Ok(())
}

#[allow(unsafe_code)]
mod half_readable {
    use std::ffi::c_void;
    use std::ptr;

    use anyhow::Result;
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

    /// The first half of some bytes, and nothing behind it.
    pub(super) struct HalfReadable {
        start: *mut c_void,
        half: usize,
    }

    impl HalfReadable {
        pub(super) fn of(bytes: &[u8]) -> Result<Self> {
            let half = bytes.len() / 2 / 4096 * 4096;
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping, into which its first half fits; nobody refers to the second.
            unsafe {
                let start = mmap_anonymous(ptr::null_mut(), bytes.len(), protection, MapFlags::PRIVATE)?;
                ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast(), half);
                munmap(start.byte_add(half), bytes.len() - half)?;
                Ok(Self { start, half })
            }
        }

        pub(super) fn address(&self) -> u64 {
            self.start.addr() as u64
        }
    }

    impl Drop for HalfReadable {
        fn drop(&mut self) {
            // SAFETY: nobody refers to it.
            unsafe { munmap(self.start, self.half) }.expect("it is mapped");
        }
    }
}

/// A cgroup that may have 16 MiB, page cache included.
struct SmallGroup {
    hierarchy: TempDir,
    is_mounted: bool,
}

impl SmallGroup {
    fn create() -> Result<Self> {
        let hierarchy = tempfile::tempdir()?;
        let folder = hierarchy.path().display().to_string();
        let (kind, limit) = if fs::read_to_string("/sys/fs/cgroup/cgroup.controllers")?.contains("memory") {
            fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory")?;
            (&["-t", "cgroup2"][..], "memory.max")
        } else {
            (&["-t", "cgroup", "-o", "memory"][..], "memory.limit_in_bytes")
        };
        run("mount", &[kind, &["none", &folder]].concat())?;
        let group = Self { hierarchy, is_mounted: true };
        fs::create_dir(group.path())?;
        fs::write(group.path().join(limit), "16M")?;
        Ok(group)
    }

    fn path(&self) -> PathBuf {
        self.hierarchy.path().join(format!("criu-pages-{}", std::process::id()))
    }

    fn enter(&self) -> Result<()> {
        Ok(fs::write(self.path().join("cgroup.procs"), std::process::id().to_string())?)
    }

    fn leave(&self) -> Result<()> {
        Ok(fs::write(self.hierarchy.path().join("cgroup.procs"), std::process::id().to_string())?)
    }
}

impl Drop for SmallGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(self.path());
        if self.is_mounted {
            let _ = run("umount", &[&self.hierarchy.path().display().to_string()]);
        }
    }
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_the_server_needs_no_more_than_16_mib() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 512, 2)?;
    let group = SmallGroup::create()?;
    let directory = tempfile::tempdir()?;
    let server = checkpointed.server(directory.path())?;
    group.enter()?;
    let serving = server.start();
    group.leave()?;
    let serving = serving?;
    let restored = criu(&["restore", "-d", "--lazy-pages", "-o", "restore.log", "-D"])
        .arg(checkpointed.images())
        .arg("-W")
        .arg(directory.path())
        .output()?;
    succeeded(&restored, &directory.path().join("restore.log"))?;
    let mut largest = 0;
    let status = serving.status().wait_until(|status| {
        largest = largest.max(status.processes.into_iter().map(private_kib).sum());
        false
    })?;
    ensure!(status.state == State::Complete, "{status:?}");
    ensure!(largest > 0 && largest < 16 << 10, "{largest} KiB");
    println!("{largest} KiB");
    let result = checkpointed.work().join("result");
    wait_until("the program ends", || result.exists())?;
    ensure!(fs::read_to_string(result)? == "ok");
    Ok(())
}

/// What is the process's alone, by proc(5): not the pages of the test that it was forked from.
fn private_kib(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let lines = rollup.lines().filter_map(|line| line.strip_prefix("Private_")?.strip_suffix(" kB"));
    lines.filter_map(|line| line.split_whitespace().next_back()?.parse::<u64>().ok()).sum()
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_four_restores_at_once_share_their_images() -> Result<()> {
    let checkpointed = Checkpointed::of("change", 64, 2)?;
    let folders = [(); 4].map(|()| tempfile::tempdir());
    let mut restores = Vec::new();
    for folder in folders {
        let folder = folder?;
        let work = folder.path().join("work");
        fs::create_dir(&work)?;
        fs::write(work.join("go"), "")?;
        let serving = checkpointed.server(folder.path())?.start()?;
        // Each has the same process IDs and the same working directory, in namespaces of its own.
        let script = "mount --bind \"$1\" \"$2\" && criu restore --lazy-pages -o restore.log -D \"$3\" -W \"$4\"";
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--mount", "sh", "-c", script, "sh"]);
        command.arg(&work).arg(checkpointed.work()).arg(checkpointed.images()).arg(folder.path());
        restores.push((folder, serving, command.stdin(Stdio::null()).spawn()?));
    }
    for (folder, serving, mut child) in restores {
        let ended = child.wait()?;
        let result = fs::read_to_string(folder.path().join("work/result"));
        ensure!(result.as_deref().ok() == Some("ok"), "{ended}: {result:?} {:?}", serving.status().read());
        ensure!(serving.status().wait()?.state == State::Complete);
    }
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_restore_that_never_comes_leaves_nothing() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 16, 1)?;
    let directory = tempfile::tempdir()?;
    let serving = checkpointed.server(directory.path())?.start()?;
    let status = StatusFile::open(&directory.path().join("status"))?;
    ensure!(status.read()?.state == State::Listening);
    ensure!(serving.abandon()?.state == State::Abandoned);
    status.wait()?;
    ensure!(fs::read_dir(directory.path())?.count() == 0);
    Ok(())
}

/// CRIU's restore in `directory`, with `command` as its action script.
fn restore_with(checkpointed: &Checkpointed, directory: &Path, command: &str) -> Result<Output> {
    let script = directory.join("script");
    fs::write(&script, format!("#!/bin/sh\n{command}\n"))?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    let mut restore = criu(&["restore", "-d", "--lazy-pages", "-o", "restore.log", "-D"]);
    restore.arg(checkpointed.images()).arg("-W").arg(directory).arg("--action-script").arg(&script);
    Ok(restore.output()?)
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_a_restore_that_fails_leaves_no_process() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 64, 1)?;
    let directory = tempfile::tempdir()?;
    let serving = checkpointed.server(directory.path())?.start()?;
    let restored = restore_with(&checkpointed, directory.path(), "[ \"$CRTOOLS_SCRIPT_ACTION\" != post-restore ]")?;
    ensure!(!restored.status.success());
    let status = serving.status().wait()?;
    ensure!(status.state == State::Failed, "{status:?}");
    ensure!(status.reason.as_deref() == Some("CRIU ended before the restore was complete"), "{status:?}");
    for pid in status.processes {
        wait_until("the server's processes have ended", || !server_is_alive(pid))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs root and CRIU: cargo xtask test"]
fn privileged_all_is_held_before_the_program_runs() -> Result<()> {
    let checkpointed = Checkpointed::of("check", 64, 1)?;
    let directory = tempfile::tempdir()?;
    let serving = checkpointed.server(directory.path())?.start()?;
    // The status file as it is when CRIU asks whether to go on.
    let look = "[ \"$CRTOOLS_SCRIPT_ACTION\" != post-restore ] || cp status seen";
    let restored = restore_with(&checkpointed, directory.path(), look)?;
    succeeded(&restored, &directory.path().join("restore.log"))?;
    ensure!(serving.status().wait()?.state == State::Complete);
    let seen = fs::read_to_string(directory.path().join("seen"))?;
    ensure!(seen.starts_with("state held\n"), "{seen}");
    Ok(())
}
