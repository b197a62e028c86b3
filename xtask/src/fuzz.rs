//! `cargo xtask fuzz`: the fuzz targets of `fuzz/`, with nothing but the toolchain that is there.
//!
//! cargo-fuzz needs to be installed, and a nightly toolchain; what it does for programs without a sanitizer is to pass
//! rustc the flags below, which are stable.
//!
//! ```text
//! target/fuzz/build           what cargo builds
//! target/fuzz/seeds/TARGET    inputs made by code, anew each time
//! target/fuzz/corpus/TARGET   inputs that libFuzzer found worth keeping; only runs by hand use and add to it
//! target/fuzz/failed/TARGET   inputs that broke something
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tempfile::TempDir;

use crate::cargo::{self, Workspace};
use crate::lab;

/// Each target, and how many inputs a short run tries: some seconds' worth.
const TARGETS: [(&str, u32); 5] =
    [("reader", 20_000), ("pax", 300_000), ("unpack", 8_000), ("round_trip", 20_000), ("images", 100_000)];

/// Coverage as libFuzzer wants it (clang's SanitizerCoverage documentation), and the `cfg` that cargo-fuzz sets.
const RUSTFLAGS: &str = "--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Bounds of one input: seconds, so many that a machine which stood still for a while is no failure, and MiB of the
/// whole process.
const LIMITS: [&str; 2] = ["-timeout=120", "-rss_limit_mb=1024"];

#[derive(Args)]
pub(crate) struct FuzzOptions {
    /// reader, pax, unpack, round_trip or images; all of them when absent
    target: Option<String>,
    /// How long each of them runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// How long a target runs, and from where it starts.
pub(crate) enum Run {
    /// So many inputs from the seeds alone, the same ones each time.
    Short { inputs: u32 },
    /// So long, with all that was found before.
    Long { seconds: u32 },
}

/// What `cargo xtask test FILTER` runs: the targets whose name, with `fuzz::` before it, contains the filter.
pub(crate) fn selected(filter: Option<&str>) -> impl Iterator<Item = (String, &'static str, u32)> {
    let named = TARGETS.iter().map(|&(target, inputs)| (format!("fuzz::{target}"), target, inputs));
    named.filter(move |(name, ..)| filter.is_none_or(|filter| name.contains(filter)))
}

pub(crate) fn run(options: &FuzzOptions) -> Result<ExitCode> {
    let chosen = |name: &str| options.target.as_deref().is_none_or(|target| target == name);
    ensure!(TARGETS.iter().any(|(name, _)| chosen(name)), "no target has this name");
    let fuzzer = Fuzzer::build(&Workspace::locate()?)?;
    for (name, _) in TARGETS.iter().filter(|(name, _)| chosen(name)) {
        fuzzer.run(name, &Run::Long { seconds: options.seconds })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The built targets.
pub(crate) struct Fuzzer {
    programs: PathBuf,
    folder: PathBuf,
}

impl Fuzzer {
    /// Builds all targets and makes the seeds.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self> {
        lab::install_missing(&[("c++", "g++")])?;
        let triple = host_triple()?;
        let folder = workspace.target.join("fuzz");
        let status = cargo::command()
            .args(["build", "--quiet", "--release", "--target", &triple, "--target-dir"])
            .arg(folder.join("build"))
            .current_dir(workspace.root.join("fuzz"))
            .env("RUSTFLAGS", RUSTFLAGS)
            .status()
            .context("cannot start cargo build")?;
        ensure!(status.success(), "cargo build of the fuzz targets: {status}");
        let programs = folder.join("build").join(triple).join("release");
        let fuzzer = Fuzzer { programs, folder };
        fuzzer.make_seeds()?;
        Ok(fuzzer)
    }

    fn make_seeds(&self) -> Result<()> {
        let seeds = self.folder.join("seeds");
        // Seeds that are made no more would stay.
        if seeds.exists() {
            fs::remove_dir_all(&seeds).with_context(|| format!("cannot remove {}", seeds.display()))?;
        }
        let status = Command::new(self.programs.join("seeds")).arg(&seeds).status().context("cannot start seeds")?;
        ensure!(status.success(), "making seeds: {status}");
        Ok(())
    }

    /// Runs the target `name`.
    ///
    /// # Errors
    /// An input that breaks it; what the target said of it is on standard error.
    pub(crate) fn run(&self, name: &str, run: &Run) -> Result<()> {
        println!("\n     Fuzzing {name}");
        let failed = self.folder.join("failed").join(name);
        make_folder(&failed)?;
        // What a target unpacks goes to memory, and away with this even if the target breaks.
        let scratch = scratch()?;
        let corpus = match run {
            Run::Short { .. } => scratch.path().join("corpus"),
            Run::Long { .. } => self.folder.join("corpus").join(name),
        };
        make_folder(&corpus)?;
        let mut command = Command::new(self.programs.join(name));
        command.args(LIMITS).arg(format!("-artifact_prefix={}/", failed.display())).env("TMPDIR", scratch.path());
        command.env_remove("RUST_BACKTRACE");
        match run {
            Run::Short { inputs } => command.args(["-seed=1", "-verbosity=0"]).arg(format!("-runs={inputs}")),
            Run::Long { seconds } => command.arg("-print_final_stats=1").arg(format!("-max_total_time={seconds}")),
        };
        // libFuzzer adds to the first folder, and only reads the others.
        command.arg(corpus).arg(self.folder.join("seeds").join(name));
        let status = match run {
            Run::Short { .. } => status_quiet_if_good(&mut command),
            Run::Long { .. } => command.status(),
        };
        let status = status.with_context(|| format!("cannot start {name}"))?;
        if !status.success() {
            bail!("{name}: {status}; the input is above and in {}", failed.display());
        }
        Ok(())
    }
}

/// Shows what the command printed only if it failed: libFuzzer always prints a page.
fn status_quiet_if_good(command: &mut Command) -> io::Result<ExitStatus> {
    let output = command.output()?;
    if !output.status.success() {
        io::stderr().write_all(&output.stderr)?;
    }
    Ok(output.status)
}

fn scratch() -> Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.context("cannot make a folder for what the targets unpack")
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// With a target named, cargo keeps the flags from build scripts.
fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let triple = text.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(triple.to_owned())
}
