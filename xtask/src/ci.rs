//! `cargo xtask ci`: what a change has to pass, in the order of the cheapest first.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, Workspace};
use crate::test::{self, TestOptions};

const STEPS: [&[&str]; 4] = [
    &["fmt", "--all", "--check"],
    &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps"],
];

pub(crate) fn run() -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    for step in STEPS {
        println!("\n  cargo {}", step.join(" "));
        let status = cargo::command()
            .args(step)
            .current_dir(&workspace.root)
            .env("RUSTDOCFLAGS", "-D warnings")
            .status()
            .context("cannot start cargo")?;
        ensure!(status.success(), "cargo {}: {status}", step.join(" "));
    }
    test::run(&TestOptions::default())
}
