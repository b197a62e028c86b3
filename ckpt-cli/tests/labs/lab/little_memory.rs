//! A cgroup with a limit of memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use super::{run, succeed, text, wait_for};

/// A cgroup whose processes the kernel kills when they need more memory than its limit, all together.
pub(crate) struct LittleMemory {
    group: PathBuf,
    /// Where the hierarchy was mounted, unless podman needs it anyway.
    mounted: Option<TempDir>,
}

impl LittleMemory {
    pub(crate) fn new(limit: u64) -> Self {
        let is_v1 = fs::read_to_string("/proc/self/cgroup").unwrap().contains(":memory:");
        let mounted = is_v1.then(|| {
            let folder = tempfile::tempdir().unwrap();
            succeed("mount", &["-t", "cgroup", "-o", "memory", "memory", text(folder.path())]);
            folder
        });
        let hierarchy = mounted.as_ref().map_or(Path::new("/sys/fs/cgroup"), |folder| folder.path());
        let group = hierarchy.join("little-memory");
        fs::create_dir(&group).unwrap();
        let file = if is_v1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(group.join(file), limit.to_string()).unwrap();
        LittleMemory { group, mounted }
    }

    pub(crate) fn ckpt(&self, arguments: &[&str]) -> Output {
        let enter = r#"echo 0 > "$0/cgroup.procs" && exec "$@""#;
        let words = ["-c", enter, text(&self.group), env!("CARGO_BIN_EXE_ckpt")];
        run("sh", &[&words[..], arguments].concat())
    }

    /// From now on, it takes its memory from here.
    pub(crate) fn take(&self, pid: &str) {
        fs::write(self.group.join("cgroup.procs"), pid).unwrap();
    }

    /// How many processes were killed, see cgroup-v1/memory.rst and cgroup-v2.rst.
    pub(crate) fn kills(&self) -> u64 {
        let file = if self.mounted.is_some() { "memory.oom_control" } else { "memory.events" };
        let events = fs::read_to_string(self.group.join(file)).unwrap();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.unwrap().parse().unwrap()
    }
}

impl Drop for LittleMemory {
    fn drop(&mut self) {
        // A monitor that podman started stays with its container, whose tasks CRIU may be about to make.
        wait_for("the cgroup to be empty", || {
            for pid in fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default().lines() {
                let _ = fs::write(self.group.with_file_name("cgroup.procs"), pid);
            }
            fs::remove_dir(&self.group).ok()
        });
        if let Some(folder) = &self.mounted {
            run("umount", &[text(folder.path())]);
        }
    }
}
