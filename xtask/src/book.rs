//! `cargo xtask book`: the pages of `docs` and what they link to as a book, with the help of each command as it is now.

mod pages;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo::{self, Workspace};

/// The version whose configuration `book/book.toml` is.
const MDBOOK: &str = "mdbook@0.5.4";

/// The test that compares the page of all commands with the commands.
const REFERENCE: &str = "the_reference_is_current";

#[derive(Args)]
pub(crate) struct BookOptions {
    /// Write nothing; fail if the page of all commands is old
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &BookOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    reference(&workspace, options.check)?;
    if !options.check {
        let mdbook = mdbook(&workspace)?;
        let folder = workspace.target.join("book-pages");
        pages::gather(&workspace.root, &folder)?;
        succeed(Command::new(mdbook).arg("build").arg(&folder))?;
        println!("{}", workspace.target.join("book/index.html").display());
    }
    Ok(ExitCode::SUCCESS)
}

fn reference(workspace: &Workspace, check: bool) -> Result<()> {
    let mut test = cargo::command();
    test.args(["test", "--quiet", "--package", "ckpt-cli", "--bin", "ckpt", REFERENCE]).current_dir(&workspace.root);
    if !check {
        test.env("CKPT_WRITE_REFERENCE", "1");
    }
    succeed(&mut test)
}

/// The one in PATH, or else one that is built here once, which takes some minutes.
fn mdbook(workspace: &Workspace) -> Result<PathBuf> {
    let is_there = |program: &Path| {
        let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let root = workspace.target.join("mdbook");
    let own = root.join("bin/mdbook");
    if let Some(program) = [PathBuf::from("mdbook"), own.clone()].into_iter().find(|program| is_there(program)) {
        return Ok(program);
    }
    let mut install = cargo::command();
    install.args(["install", "--locked", "--no-default-features", MDBOOK, "--root"]).arg(&root);
    succeed(&mut install)?;
    Ok(own)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
