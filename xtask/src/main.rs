//! The project's own scripts: `cargo xtask lab`, `demo`, `test`, `fuzz`, `ci`, `bench` and `dist`.

#![forbid(unsafe_code)]

mod bench;
mod book;
mod cargo;
mod ci;
mod demo;
mod dist;
mod fuzz;
mod lab;
mod page;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::{
    BenchTask, DedupWorkload, DiffWorkload, ForkWorkload, FreezeWorkload, MemWorkload, MemoryWorkload, SaveWorkload,
    ServeWorkload, ShipWorkload, TreePlan, Workload,
};
use book::BookOptions;
use demo::DemoOptions;
use dist::{DebOptions, DistOptions};
use fuzz::FuzzOptions;
use lab::{EntrySpec, FileSystem, Lab, LabOptions};
use test::{Runs, TestOptions};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own scripts")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a command as root in a Debian with podman and BTRFS, XFS and ext4 of its own
    Lab {
        #[command(flatten)]
        options: LabOptions,
        /// The command and its arguments; a shell when absent
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Run every test; as root, those that need it too, in the lab
    Test(TestOptions),
    /// Try inputs of any kind on the parsers, with what libFuzzer learns from each; stops at the first that breaks one
    Fuzz(FuzzOptions),
    /// Make the book of the pages in docs
    Book(BookOptions),
    /// Check format, lints, documentation and all tests
    Ci,
    /// Make what people install from: a package for Debian, a static program, and an archive of the source
    Dist(DistOptions),
    /// Show the main job: freeze a container with gigabytes of changed files, bring back a copy, compare
    Demo(DemoOptions),
    /// Measure `ckpt` against podman and other tools, in the lab
    #[command(subcommand)]
    Bench(BenchTask),
    /// First process of the lab: enters the lab's cgroups
    #[command(hide = true)]
    LabJoin {
        spec: EntrySpec,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// The same process, one exec later: mounts the lab and runs the command
    #[command(hide = true)]
    LabInit {
        spec: EntrySpec,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Inside the lab: runs tests
    #[command(hide = true)]
    LabTests { runs: Runs },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchSeed {
        #[arg(value_parser = bench::from_json::<Workload>)]
        workload: Workload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchTree { plan: TreePlan },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchDiff {
        #[arg(value_parser = bench::from_json::<DiffWorkload>)]
        workload: DiffWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchMemory {
        #[arg(value_parser = bench::from_json::<MemoryWorkload>)]
        workload: MemoryWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchPasses {
        #[arg(value_parser = bench::from_json::<FreezeWorkload>)]
        workload: FreezeWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchFreeze {
        #[arg(value_parser = bench::from_json::<FreezeWorkload>)]
        workload: FreezeWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchShip {
        #[arg(value_parser = bench::from_json::<ShipWorkload>)]
        workload: ShipWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchMem {
        #[arg(value_parser = bench::from_json::<MemWorkload>)]
        workload: MemWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchDedup {
        #[arg(value_parser = bench::from_json::<DedupWorkload>)]
        workload: DedupWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchSave {
        #[arg(value_parser = bench::from_json::<SaveWorkload>)]
        workload: SaveWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchFork {
        #[arg(value_parser = bench::from_json::<ForkWorkload>)]
        workload: ForkWorkload,
    },
    /// Inside the lab: measures
    #[command(hide = true)]
    LabBenchServe {
        #[arg(value_parser = bench::from_json::<ServeWorkload>)]
        workload: ServeWorkload,
    },
    /// Also inside the lab: packs a program that is there
    #[command(hide = true)]
    LabDeb(DebOptions),
    /// Inside the lab: shows
    #[command(hide = true)]
    LabDemo { gigabytes: u32, fs: FileSystem },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Lab { options, command } => run_in_lab(&options, command),
        Task::Test(options) => test::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Book(options) => book::run(&options),
        Task::Ci => ci::run(),
        Task::Dist(options) => dist::run(&options),
        Task::LabDeb(options) => dist::run_deb(&options),
        Task::Demo(options) => demo::run(&options),
        Task::LabDemo { gigabytes, fs } => demo::run_inside(gigabytes, fs),
        Task::Bench(task) => bench::run(&task),
        Task::LabBenchSeed { workload } => bench::run_seed_inside(&workload),
        Task::LabBenchTree { plan } => bench::run_tree_inside(&plan),
        Task::LabBenchDiff { workload } => bench::run_diff_inside(&workload),
        Task::LabBenchMemory { workload } => bench::run_memory_inside(&workload),
        Task::LabBenchPasses { workload } => bench::run_passes_inside(&workload),
        Task::LabBenchFreeze { workload } => bench::run_freeze_inside(&workload),
        Task::LabBenchShip { workload } => bench::run_ship_inside(&workload),
        Task::LabBenchMem { workload } => bench::run_mem_inside(&workload),
        Task::LabBenchDedup { workload } => bench::run_dedup_inside(&workload),
        Task::LabBenchSave { workload } => bench::run_save_inside(&workload),
        Task::LabBenchFork { workload } => bench::run_fork_inside(&workload),
        Task::LabBenchServe { workload } => bench::run_serve_inside(&workload),
        Task::LabTests { runs } => test::run_inside(&runs),
        Task::LabJoin { spec, command } => match lab::join(&spec, &command)? {},
        Task::LabInit { spec, command } => Ok(lab::init(&spec, &command)),
    }
}

fn run_in_lab(options: &LabOptions, command: Vec<OsString>) -> Result<ExitCode> {
    let mut words = command.into_iter();
    let program = words.next().unwrap_or_else(|| "bash".into());
    let lab = Lab::open(options)?;
    let status = lab.run(lab.command(program).args(words))?;
    Ok(lab::exit_code(status))
}
