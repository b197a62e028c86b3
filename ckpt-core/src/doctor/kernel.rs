//! What the kernel can do.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, open, openat2, statfs};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::finding::Finding;

const NEWER: &str = "use Linux 5.10 or newer";

/// `CGROUP2_SUPER_MAGIC`, linux/magic.h.
const CGROUP2: i64 = 0x6367_7270;

pub(super) fn examine(folder: &Path) -> Vec<Finding> {
    vec![system_calls(), nameless_files(folder), overlay(), checkpoint_restore(), cgroups()]
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn system_calls() -> Finding {
    let opened = openat2(CWD, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::BENEATH).map(drop);
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).map(drop);
    let tried = [("openat2", opened), ("pidfd_open", pidfd)];
    let missing: Vec<String> =
        tried.iter().filter_map(|(call, result)| Some(format!("{call}: {}", result.err()?))).collect();
    match missing.is_empty() {
        true => Finding::ok("kernel", format!("{}, openat2, pidfd_open", release())),
        false => Finding::problem("kernel", format!("{}, {}", release(), missing.join(", ")), NEWER),
    }
}

/// Without O_TMPFILE an archive in the making has a name, which a killed run leaves to the next.
fn nameless_files(folder: &Path) -> Finding {
    let place = folder.display();
    match open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR) {
        Ok(_) => Finding::ok("files without names", format!("in {place}")),
        Err(errno @ (rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL)) => {
            let advice = "archives are made under a name there: a killed run leaves a .ckpt-….partial to the next";
            Finding::warning("files without names", format!("not in {place}: {errno}"), advice)
        }
        Err(errno) => {
            let advice = "choose a folder for archives in which files can be made";
            Finding::problem("files without names", format!("no file in {place}: {errno}"), advice)
        }
    }
}

fn overlay() -> Finding {
    match fs::read_to_string("/proc/filesystems") {
        Ok(list) if list.lines().any(|line| line.ends_with("\toverlay")) => Finding::ok("overlayfs", "in the kernel"),
        Ok(_) => Finding::warning("overlayfs", "not loaded", "`modprobe overlay`, unless podman does that by itself"),
        Err(error) => unreadable("overlayfs", "/proc/filesystems", &error),
    }
}

/// The file is there only with CONFIG_CHECKPOINT_RESTORE (kernel/pid_namespace.c).
fn checkpoint_restore() -> Finding {
    match Path::new("/proc/sys/kernel/ns_last_pid").try_exists() {
        Ok(true) => Finding::ok("checkpoint/restore", "in the kernel"),
        Ok(false) => {
            let advice = "use a kernel with CONFIG_CHECKPOINT_RESTORE=y";
            Finding::problem("checkpoint/restore", "not in the kernel", advice)
        }
        Err(error) => unreadable("checkpoint/restore", "/proc/sys/kernel", &error),
    }
}

fn cgroups() -> Finding {
    match statfs("/sys/fs/cgroup") {
        Ok(stat) if stat.f_type == CGROUP2 => Finding::ok("cgroups", "v2"),
        Ok(_) => {
            let advice = "CRIU dumps every hierarchy of v1: boot with systemd.unified_cgroup_hierarchy=1";
            Finding::warning("cgroups", "v1, or v1 beside v2", advice)
        }
        Err(errno) => unreadable("cgroups", "/sys/fs/cgroup", &errno.into()),
    }
}

fn unreadable(check: &'static str, path: &str, error: &io::Error) -> Finding {
    Finding::unknown(check, format!("{path}: {error}"), format!("see to it that {path} can be read"))
}
