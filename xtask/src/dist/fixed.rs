//! The program that needs no library of the host: linked with musl, all in one file.
//!
//! Names of users and groups come out of /etc/passwd and /etc/group then, and not from other services (NSS).

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::step::{stripped, succeed};
use crate::cargo::{self, Workspace};

pub(super) fn make(workspace: &Workspace, out: &Path) -> Result<PathBuf> {
    let target = format!("{ARCH}-unknown-linux-musl");
    ensure!(has_standard_library(&target)?, "Rust's library for {target} is missing: `rustup target add {target}`");
    // zstd and ring have C in them.
    let compiler = Command::new("musl-gcc").arg("--version").stdout(Stdio::null()).status();
    ensure!(compiler.is_ok_and(|status| status.success()), "musl-gcc is missing: install musl-tools");
    let mut build = cargo::command();
    build.args(["build", "--quiet", "--release", "--package=ckpt-cli", "--target", &target]);
    succeed(build.current_dir(&workspace.root))?;
    let made = out.join(format!("ckpt-{}-{ARCH}-linux-musl", env!("CARGO_PKG_VERSION")));
    stripped(&workspace.target.join(target).join("release/ckpt"), &made)?;
    Ok(made)
}

fn has_standard_library(target: &str) -> Result<bool> {
    let output = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    let folder = String::from_utf8(output.context("cannot start rustc")?.stdout).context("rustc prints a path")?;
    Ok(Path::new(folder.trim()).is_dir())
}
