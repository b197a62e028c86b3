//! `cargo xtask dist`: what people install `ckpt` from.
//!
//! ```text
//! ckpt_VERSION_ARCH.deb           a package for Debian and its descendants, see `deb`
//! ckpt-VERSION-ARCH-linux-musl    a program that needs no library, see `fixed`
//! ckpt-VERSION-source.tar.zst     the source with all that it depends on, see `source`
//! ```

mod deb;
mod fixed;
mod source;
mod step;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::cargo::Workspace;

pub(crate) use deb::DebOptions;
pub(crate) use source::check as check_source;

#[derive(Args)]
pub(crate) struct DistOptions {
    /// The folder for what is made; by default target/dist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Make only this; may be repeated
    #[arg(long, value_enum)]
    only: Vec<Product>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Product {
    /// The package for Debian
    Deb,
    /// The program that needs no library
    Static,
    /// The source with all that it depends on
    Source,
}

pub(crate) fn run(options: &DistOptions) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    let out = options.out.clone().unwrap_or_else(|| workspace.target.join("dist"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    for product in Product::value_variants() {
        if options.only.is_empty() || options.only.contains(product) {
            println!("{}", make(*product, &workspace, &out)?.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Packs a binary that is there, also where no cargo is: in the lab.
pub(crate) fn run_deb(options: &DebOptions) -> Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    println!("{}", deb::make(root, options)?.display());
    Ok(ExitCode::SUCCESS)
}

fn make(product: Product, workspace: &Workspace, out: &Path) -> Result<PathBuf> {
    match product {
        Product::Deb => {
            workspace.build_ckpt()?;
            let folder = tempfile::tempdir_in(out).context("cannot make a folder for the program")?;
            let ckpt = folder.path().join("ckpt");
            step::stripped(&workspace.ckpt(), &ckpt)?;
            deb::make(&workspace.root, &DebOptions { ckpt, out: out.to_owned(), fast: false })
        }
        Product::Static => fixed::make(workspace, out),
        Product::Source => source::make(workspace, out),
    }
}
