//! The source with all crates that it depends on: it builds without a network.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::step::{epoch, output_of, succeed};
use crate::cargo::{self, Workspace};

/// Where cargo looks for settings of a folder.
const SETTINGS: &str = ".cargo/config.toml";

/// Makes `ckpt-VERSION-source.tar.zst`: the same bytes for the same commit.
pub(super) fn make(workspace: &Workspace, out: &Path) -> Result<PathBuf> {
    let folder = tempfile::tempdir_in(out).context("cannot make a folder for the source")?;
    let name = name();
    let root = folder.path().join(&name);
    fs::create_dir(&root).context("cannot make the source's folder")?;
    copy_committed(&workspace.root, &root)?;
    vendor(&root)?;
    let archive = out.join(format!("{name}.tar.zst"));
    let mut pack = Command::new("tar");
    pack.args(["--create", "--sort=name", "--format=gnu", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=go=rX,u+rw,a-s", "--use-compress-program=zstd -10 -T0"])
        .arg(format!("--mtime=@{}", epoch(&workspace.root)?))
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(folder.path())
        .arg(&name);
    succeed(&mut pack)?;
    Ok(archive)
}

/// Makes the archive and builds what is in it, where no network and none of cargo's downloads are.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let folder = tempfile::tempdir_in(&workspace.target).context("cannot make a folder for the check")?;
    let archive = make(workspace, folder.path())?;
    succeed(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("-C").arg(folder.path()))?;
    let mut build = Command::new("unshare");
    build.args(["--map-root-user", "--net"]).arg(cargo::command().get_program());
    build.args(["build", "--quiet", "--locked", "--package=ckpt-cli"]).current_dir(folder.path().join(name()));
    build.env("CARGO_HOME", folder.path().join("empty")).env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Not where it is told to build the workspace.
    succeed(build.env_remove("CARGO_TARGET_DIR"))?;
    let version = output_of(Command::new(folder.path().join(name()).join("target/debug/ckpt")).arg("--version"))?;
    ensure!(version.starts_with(b"ckpt "), "the program that was built does not say its version");
    Ok(())
}

fn name() -> String {
    format!("ckpt-{}-source", env!("CARGO_PKG_VERSION"))
}

/// What the newest commit has, and nothing else that lies around.
fn copy_committed(from: &Path, to: &Path) -> Result<()> {
    let mut archive = Command::new("git")
        .args(["archive", "--format=tar", "HEAD"])
        .current_dir(from)
        .stdout(Stdio::piped())
        .spawn()?;
    let tar = archive.stdout.take().context("git's output was asked for")?;
    succeed(Command::new("tar").args(["--extract", "--directory"]).arg(to).stdin(tar))?;
    let status = archive.wait().context("cannot wait for git")?;
    ensure!(status.success(), "git archive: {status}");
    Ok(())
}

/// Puts the crates into `vendor`, and tells cargo that they are there.
fn vendor(root: &Path) -> Result<()> {
    let mut command = cargo::command();
    // With --quiet it would keep the settings to itself.
    command.args(["vendor", "--locked", "--versioned-dirs", "vendor"]).current_dir(root);
    let settings = String::from_utf8(output_of(&mut command)?).context("cargo's settings are UTF-8")?;
    ensure!(settings.contains("replace-with"), "cargo vendor tells no settings: {settings:?}");
    let path = root.join(SETTINGS);
    let own = fs::read_to_string(&path).with_context(|| format!("cannot read {SETTINGS}"))?;
    fs::write(&path, format!("{own}\n{settings}")).with_context(|| format!("cannot write {SETTINGS}"))
}
