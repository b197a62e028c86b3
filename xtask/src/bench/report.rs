//! The way of a benchmark: into a lab, back with results, into a file.

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chart::targets;
use super::chart::times::Times;
use super::machine;
use super::verdict::Verdict;
use crate::cargo::Workspace;
use crate::lab::{FileSystem, Lab, LabOptions};

/// As large as a disk is. BTRFS reserves space for all metadata that may still have to be written, and on a small file
/// system it soon makes everyone wait for that.
pub(crate) const IMAGE_GIB: u64 = 1024;

/// What is measured, where, and how it is told.
pub(crate) struct Bench<'b, W> {
    /// `seed`: its subcommand inside the lab is `lab-bench-seed`, its file `seed-FS.json`.
    pub(crate) name: &'b str,
    pub(crate) file_systems: &'b [FileSystem],
    /// Whether to take the release build of `ckpt` that is there.
    pub(crate) no_build: bool,
    /// Size of the new file system.
    pub(crate) image_gib: u64,
    pub(crate) workload: &'b W,
    /// What is measured, in words for people.
    pub(crate) title: String,
}

/// What is kept of a run.
pub(crate) trait Report: Serialize {
    /// What was to be shown, and whether it was.
    fn verdicts(&self) -> &[Verdict];

    /// What is drawn beside the targets: the times themselves, for those benchmarks that people look at first.
    fn times(&self) -> Option<Times> {
        None
    }
}

impl<W: Serialize> Bench<'_, W> {
    /// Measures on each file system, prints what `render` makes of each `report`, and keeps that.
    pub(crate) fn run<R: DeserializeOwned, T: Report>(
        &self,
        report: impl Fn(FileSystem, String, R) -> T,
        render: impl Fn(&T) -> String,
    ) -> Result<ExitCode> {
        let workspace = Workspace::locate()?;
        if !self.no_build {
            workspace.build_ckpt()?;
        }
        // Asked now: others may commit while this runs.
        let commit = machine::commit(&workspace.root);
        for &on in self.file_systems {
            eprintln!("{} on {on}", self.title);
            let results = in_lab(on, self.image_gib, &format!("lab-bench-{}", self.name), self.workload)?;
            let report = report(on, commit.clone(), results);
            println!("{}", render(&report));
            keep(&workspace, (self.name, on), &self.title, &report)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The other end of [`in_lab`]: results go to standard output.
pub(crate) fn print(results: &impl Serialize) -> Result<ExitCode> {
    println!("{}", serde_json::to_string(results).context("results are JSON")?);
    Ok(ExitCode::SUCCESS)
}

/// What to measure, as [`in_lab`] hands it over.
pub(crate) fn from_json<W: DeserializeOwned>(json: &str) -> Result<W, serde_json::Error> {
    serde_json::from_str(json)
}

/// Runs this program once more inside a lab: `subcommand` is told `what` in JSON and prints its results in JSON. On a
/// new file system, so that its age is no part of the result.
pub(crate) fn in_lab<R: DeserializeOwned>(
    fs: FileSystem,
    image_gib: u64,
    subcommand: &str,
    what: &impl Serialize,
) -> Result<R> {
    let lab = Lab::open(&LabOptions { fs, fresh: true, no_build: true, image_gib, direct_io: true })?;
    // The lab's first process is this very program.
    let output = lab
        .command("/proc/1/exe")
        .arg(subcommand)
        .arg(serde_json::to_string(what).context("what to measure is UTF-8")?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot enter the lab")?;
    ensure!(output.status.success(), "the benchmark on {fs} failed, see above");
    serde_json::from_slice(&output.stdout).context("cannot read what the benchmark found")
}

/// `target/bench/NAME-FS.json`, and pictures beside it: `NAME-FS.svg` has times, or targets where no times are drawn, and
/// `NAME-FS-targets.svg` has targets where they are.
pub(crate) fn keep(
    workspace: &Workspace,
    (name, fs): (&str, FileSystem),
    title: &str,
    report: &impl Report,
) -> Result<()> {
    let folder = workspace.target.join("bench");
    let json = serde_json::to_string_pretty(report).context("a report is JSON")?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    write(&folder.join(format!("{name}-{fs}.json")), &(json + "\n"))?;
    let times = report.times();
    if let Some(times) = &times {
        write(&folder.join(format!("{name}-{fs}.svg")), &times.svg()?)?;
    }
    if !report.verdicts().is_empty() {
        let ending = if times.is_some() { "-targets.svg" } else { ".svg" };
        let picture = targets::svg(&format!("{title} on {fs}, beside its targets"), report.verdicts())?;
        write(&folder.join(format!("{name}-{fs}{ending}")), &picture)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
