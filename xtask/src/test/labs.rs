//! Two labs at once. Their tests wait as much as they work: for podman, for disks, for what must not happen.
//!
//! ```text
//! this thread    the first file system, which has the most tests, in parts
//! another one    the others, one after the other, then parts of the first, in a cache folder below the first one's
//! ```
//!
//! What failed gets one second look, in a new lab where nothing of an earlier test is left. A test that passes there is
//! told as unsteady, by name and reason: it met a moment of a busy machine, or there is a fault that shows seldom.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{fs, iter, process, thread};

use anyhow::{Context, Result, ensure};

use super::counts::{self, Counts, Shown};
use super::plan::{Plan, Runs};
use super::tally::Tally;
use crate::lab::{self, FileSystem, Lab, LabOptions};

/// How many groups are one part: some minutes, for which at most one lab stands idle at the end.
const PART: usize = 5;

/// More failures than these are nobody's chance, and get no second look.
const SECOND_LOOKS: usize = 4;

/// Its tests and their results, or why there was no lab.
type Ran = (FileSystem, Runs, Result<Counts>);

pub(super) fn run(plan: &Plan, tally: &mut Tally) {
    let mut labs = plan.by_file_system().map(|(fs, runs)| (fs, runs.clone()));
    let Some((fs, runs)) = labs.next() else { return };
    let others: Vec<_> = labs.collect();
    let lab = match Lab::open(&options(fs)) {
        Ok(lab) => lab,
        // Once is enough: making a lab can take minutes to fail.
        Err(error) => {
            let all = [(fs, runs)].into_iter().chain(others);
            return all.for_each(|(fs, runs)| tally.fail_all(&runs, fs, &format!("{error:#}")));
        }
    };
    let mut parts = runs.parts(PART);
    let (first, is_all) = (parts.next(), parts.len() == 0 && others.is_empty());
    let shown = if is_all { Shown::ByLine } else { Shown::ByProgram };
    let parts = Mutex::new(parts);
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let ran: Vec<Ran> = thread::scope(|scope| {
        let beside = || others.into_iter().chain(iter::from_fn(next).map(|part| (fs, part)));
        let others = scope.spawn(move || beside().map(ran_beside).collect::<Vec<_>>());
        let own = first.into_iter().chain(iter::from_fn(next));
        let own: Vec<Ran> = own
            .map(|part| {
                let counts = in_lab(&lab, fs, &part, shown);
                (fs, part, counts)
            })
            .collect();
        let others = others.join().expect("failures are results");
        own.into_iter().chain(others).collect()
    });
    drop(lab);
    let failed: usize = ran.iter().flat_map(|(_, _, counts)| counts).map(|counts| counts.failed).sum();
    for (fs, runs, counts) in ran {
        match counts {
            Ok(counts) if counts.has_failures() && failed <= SECOND_LOOKS => look_again(fs, &runs, counts, tally),
            Ok(counts) => tally.add_all_run(counts, &runs, fs),
            Err(error) => tally.fail_all(&runs, fs, &format!("{error:#}")),
        }
    }
}

/// Only a test with a result of its own counts as passed then: not one whose program ended early.
fn look_again(fs: FileSystem, runs: &Runs, mut counts: Counts, tally: &mut Tally) {
    let again = runs.only(counts.failed_names());
    println!("\n  A second look at what failed on {fs}");
    let second = Lab::open(&options(fs)).and_then(|lab| in_lab(&lab, fs, &again, Shown::ByLine));
    match second {
        Ok(second) if second.finished() == again.len() => tally.add_unsteady(counts.settle(&again, &second), fs),
        Ok(_) => println!("\na program on {fs} ended early again, see above"),
        Err(error) => println!("\nno lab on {fs} for a second look: {error:#}"),
    }
    tally.add_all_run(counts, runs, fs);
}

fn ran_beside((fs, runs): (FileSystem, Runs)) -> Ran {
    let counts = beside(fs, &runs);
    (fs, runs, counts)
}

fn options(fs: FileSystem) -> LabOptions {
    LabOptions { fs, fresh: true, no_build: true, image_gib: lab::DEFAULT_IMAGE_GIB, direct_io: false }
}

fn in_lab(lab: &Lab, fs: FileSystem, runs: &Runs, shown: Shown) -> Result<Counts> {
    println!("\n  Tests in a lab on {fs}");
    // The lab's first process is this very program.
    let mut command = lab.command("/proc/1/exe");
    tests(&mut command, runs)?;
    counted(&mut command, fs, shown)
}

/// In a lab of another process: one process holds one lab.
fn beside(fs: FileSystem, runs: &Runs) -> Result<Counts> {
    println!("\n  Tests in a lab on {fs}");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM"]).arg(format!("/proc/{}/exe", process::id()));
    command.args(["lab", "--fresh", "--no-build", "--fs", fs.name()]);
    command.args(["--", "/proc/1/exe"]).env(lab::CACHE_VARIABLE, second_cache(&lab::cache_path())?);
    tests(&mut command, runs)?;
    counted(&mut command, fs, Shown::ByProgram)
}

fn tests(command: &mut Command, runs: &Runs) -> Result<()> {
    let runs = serde_json::to_string(runs).context("paths of test programs are UTF-8")?;
    command.arg("lab-tests").arg(runs).stdin(Stdio::null());
    Ok(())
}

fn counted(command: &mut Command, fs: FileSystem, shown: Shown) -> Result<Counts> {
    let (counts, status) = counts::count(command, shown)?;
    ensure!(status.code() != Some(lab::EXIT_NOT_ENTERED.into()), "the lab on {fs} could not be entered or left");
    Ok(counts)
}

/// It has file systems of its own, and the first one's Debian, to which nobody writes.
fn second_cache(first: &Path) -> Result<PathBuf> {
    let second = first.join("second");
    let debian = second.join("debian");
    fs::create_dir_all(&second).with_context(|| format!("cannot make {}", second.display()))?;
    if !debian.is_symlink() {
        symlink("../debian", &debian).with_context(|| format!("cannot link {}", debian.display()))?;
    }
    Ok(second)
}
