//! Checks from outside the lab: nothing of it stays on the host.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::tally::Tally;
use crate::lab;

const KILLED: &str = "host::a_killed_lab_leaves_no_mount_or_loop_device";
const NOTHING_LEFT: &str = "host::labs_leave_nothing";

/// A killed lab writes back before its loop devices go.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Which of the checks were asked for.
pub(super) struct Checks {
    killed: bool,
    nothing_left: bool,
}

impl Checks {
    pub(super) fn select(filter: Option<&str>) -> Self {
        let selected = |name: &str| filter.is_none_or(|filter| name.contains(filter));
        Self { killed: selected(KILLED), nothing_left: selected(NOTHING_LEFT) }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.killed && !self.nothing_left
    }

    /// Its cgroups do stay; the labs of the tests that follow remove them.
    pub(super) fn killed_lab(&self, before: &Traces, tally: &mut Tally) {
        if self.killed {
            tally.check(KILLED, kill_a_lab(before));
        }
    }

    pub(super) fn nothing_left(&self, before: &Traces, tally: &mut Tally) {
        if self.nothing_left {
            let after = Traces::read();
            tally.check(NOTHING_LEFT, after.compare(before));
        }
    }
}

/// What a lab could leave behind. Others of this host may mount, too, so only
/// what belongs to the cache folder counts.
pub(super) struct Traces {
    mounts: BTreeSet<String>,
    loop_files: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

impl Traces {
    pub(super) fn read() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        Self {
            mounts: of_the_lab(mounts.lines()),
            loop_files: of_the_lab(loop_files().iter().map(|file| file.trim_end())),
            cgroups: lab::cgroups_on_host(),
        }
    }

    fn compare(&self, before: &Self) -> Result<()> {
        let new = self.new_mounts_and_loops(before);
        ensure!(new.is_empty(), "left behind: {}", new.join(", "));
        let new_groups = self.cgroups.difference(&before.cgroups);
        let groups: Vec<&String> = new_groups.filter(|group| !is_of_another_lab(group)).collect();
        ensure!(groups.is_empty(), "cgroups left behind: {groups:?}");
        Ok(())
    }

    fn new_mounts_and_loops(&self, before: &Self) -> Vec<String> {
        let mounts = self.mounts.difference(&before.mounts);
        let loops = self.loop_files.difference(&before.loop_files);
        mounts.chain(loops).cloned().collect()
    }
}

/// Whether a group is named after another process that lives: a lab with a cache folder of its own, at work beside us.
fn is_of_another_lab(group: &str) -> bool {
    let digits = group.rsplit_once("ckpt-lab-").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    digits.parse::<u32>().is_ok_and(|pid| pid != std::process::id() && Path::new(&format!("/proc/{pid}")).exists())
}

fn of_the_lab<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let cache = lab::cache_path();
    let cache = cache.to_string_lossy();
    lines.filter(|line| line.contains(cache.as_ref())).map(str::to_owned).collect()
}

fn loop_files() -> Vec<String> {
    fs::read_dir("/sys/block")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok())
        .collect()
}

fn kill_a_lab(before: &Traces) -> Result<()> {
    let mut lab = Command::new("/proc/self/exe")
        .args(["lab", "--no-build", "--", "sh", "-c"])
        .arg("podman run -d --network none localhost/busybox sleep 1000 && exec sleep 1000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a lab")?;
    let entered = wait_for_line(&mut lab);
    lab.kill().context("cannot kill the lab")?;
    lab.wait().context("cannot wait for the killed lab")?;
    entered?;
    let end = Instant::now() + SETTLE_LIMIT;
    loop {
        let new = Traces::read().new_mounts_and_loops(before);
        if new.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("still there: {}", new.join(", "));
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The container's ID says that a container runs.
fn wait_for_line(lab: &mut Child) -> Result<()> {
    let output = lab.stdout.take().expect("its output was asked for");
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).context("cannot read what the lab prints")?;
    ensure!(!line.is_empty(), "the lab ended before its container ran");
    Ok(())
}
