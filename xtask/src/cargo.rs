//! Cargo, as the project's scripts use it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// Programs of the crate `benches`.
const LIMITS: [&str; 2] = ["clone-loop", "bare-calls"];
const PAGE_LOOP: &str = "page-loop";

/// Where the checkout and its build results lie, as `cargo metadata` tells.
#[derive(Deserialize)]
pub(crate) struct Workspace {
    #[serde(rename = "workspace_root")]
    pub(crate) root: PathBuf,
    #[serde(rename = "target_directory")]
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn locate() -> Result<Self> {
        let output = command()
            .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata: {}", output.status);
        serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata says")
    }

    /// The release binary `ckpt`, built or not.
    pub(crate) fn ckpt(&self) -> PathBuf {
        self.target.join("release/ckpt")
    }

    /// The one that tests run, built or not.
    pub(crate) fn ckpt_of_tests(&self) -> PathBuf {
        self.target.join("debug/ckpt")
    }

    /// What `cargo xtask bench tree` takes for the limits, built or not: of large files, and of small ones.
    pub(crate) fn limits(&self) -> [PathBuf; 2] {
        LIMITS.map(|program| self.target.join("release").join(program))
    }

    pub(crate) fn build_ckpt(&self) -> Result<()> {
        self.build_release("ckpt-cli", "ckpt")
    }

    pub(crate) fn build_limits(&self) -> Result<()> {
        LIMITS.iter().try_for_each(|program| self.build_release("benches", program))
    }

    /// Builds what `cargo xtask bench memory` takes for the limit of memory that comes later.
    pub(crate) fn page_loop(&self) -> Result<PathBuf> {
        self.build_release("benches", PAGE_LOOP).map(|()| self.target.join("release").join(PAGE_LOOP))
    }

    fn build_release(&self, package: &str, program: &str) -> Result<()> {
        let status = command()
            .args(["build", "--quiet", "--release", "--package", package, "--bin", program])
            .current_dir(&self.root)
            .stdout(Stdio::null())
            .status()
            .context("cannot start cargo build")?;
        ensure!(status.success(), "cargo build of {program}: {status}");
        Ok(())
    }
}

/// The cargo that runs this program, so that both use one toolchain.
pub(crate) fn command() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
