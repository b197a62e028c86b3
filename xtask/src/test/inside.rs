//! What runs inside the lab: one test program after the other, each on a podman that has nothing.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use super::plan::{Run, Runs};

/// A test program that runs longer hangs: all of them together take minutes.
const LIMIT_SECONDS: &str = "1800";

/// What podman lists, and how it removes all of it. A pod takes its containers along.
const LEFTOVERS: [(&str, &[&str], &[&str]); 3] = [
    ("pods", &["pod", "ls", "--format", "{{.Name}}"], &["pod", "rm", "--all", "--force", "--time", "0"]),
    ("containers", &["ps", "--all", "--format", "{{.Names}}"], &["rm", "--all", "--force", "--time", "0"]),
    ("volumes", &["volume", "ls", "--format", "{{.Name}}"], &["volume", "rm", "--all", "--force"]),
];

/// Runs the programs, and removes after each what it left in podman: the next one is not to fail for it.
///
/// What a program that passed has left is a failure of its own.
pub(crate) fn run_inside(runs: &Runs) -> Result<ExitCode> {
    let mut all_passed = true;
    for run in &runs.0 {
        println!("\n     Running {}", run.title());
        let passed = run_program(run)?;
        let left = remove_leftovers()?;
        if passed && !left.is_empty() {
            tell_leftovers(run, &left);
        }
        all_passed &= passed && left.is_empty();
    }
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_program(run: &Run) -> Result<bool> {
    let status = Command::new("timeout")
        .args(["--foreground", "--kill-after=10", LIMIT_SECONDS])
        .arg(&run.program)
        .args(["--ignored", "--exact", "--test-threads=1"])
        .args(&run.tests)
        .current_dir(&run.directory)
        .env("CARGO_MANIFEST_DIR", &run.directory)
        .status()
        .with_context(|| format!("cannot start {}", run.program.display()))?;
    if status.code() == Some(124) {
        println!("{} hung: ended after {LIMIT_SECONDS} s", run.title());
    }
    Ok(status.success())
}

/// Gives what there was, a kind each.
fn remove_leftovers() -> Result<Vec<String>> {
    let mut left = Vec::new();
    for (kind, list, remove) in LEFTOVERS {
        let names = podman(list)?;
        if !names.is_empty() {
            left.push(format!("{kind} {}", names.split_whitespace().collect::<Vec<_>>().join(" ")));
            podman(remove)?;
        }
    }
    Ok(left)
}

fn podman(arguments: &[&str]) -> Result<String> {
    let output = Command::new("podman").args(arguments).output().context("cannot start podman")?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "podman {}: {}", arguments.join(" "), words.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As test programs tell a failure, so that it is counted as one.
fn tell_leftovers(run: &Run, left: &[String]) {
    println!("\nfailures:\n    {} left {}\n", run.title(), left.join(", "));
    println!("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
}
