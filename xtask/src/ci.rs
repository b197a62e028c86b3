//! `cargo xtask ci`: what a change has to pass, in the order of the cheapest first.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, Workspace};
use crate::test::{self, TestOptions};

const STEPS: [&[&str]; 6] = [
    &["fmt", "--all", "--check"],
    &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
    // Not `advisories`: their database is on the network.
    &["deny", "check", "bans", "licenses", "sources"],
    // What is missing in a package shows here; that it builds is the other steps' to say.
    &["package", "--workspace", "--exclude=xtask", "--exclude=benches", "--no-verify", "--allow-dirty", "--quiet"],
];

/// The version whose rules deny.toml follows.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    install_cargo_deny(&workspace)?;
    for step in STEPS {
        run_step(&workspace, step)?;
    }
    test::run(&TestOptions::default())
}

fn run_step(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    println!("\n  cargo {}", arguments.join(" "));
    let mut command = cargo::command();
    command.args(arguments).current_dir(&workspace.root).env("RUSTDOCFLAGS", "-D warnings");
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo {}: {status}", arguments.join(" "));
    Ok(())
}

/// Once on a machine: it is built from source, which takes some minutes.
fn install_cargo_deny(workspace: &Workspace) -> Result<()> {
    let mut command = cargo::command();
    let asked = command.args(["deny", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match asked.context("cannot start cargo")?.success() {
        true => Ok(()),
        false => run_step(workspace, &["install", "--locked", CARGO_DENY]),
    }
}
