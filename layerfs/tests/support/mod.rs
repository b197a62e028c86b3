//! Real overlay mounts for tests, an independent look at trees, and a plain way to carry changes from one upperdir to
//! another.

#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses a part")]

/// Two tests of each behaviour, a function of the file system's mount point.
macro_rules! on_btrfs_and_xfs {
    ($($behaviour:ident: $btrfs:ident, $xfs:ident;)*) => {$(
        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $btrfs() -> Result<()> {
            $behaviour("/mnt/btrfs")
        }

        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $xfs() -> Result<()> {
            $behaviour("/mnt/xfs")
        }
    )*};
}
pub(crate) use on_btrfs_and_xfs;

pub(crate) mod carry;
pub(crate) mod overlay;
pub(crate) mod tree;

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use layerfs::{Change, DataSource, Layers};

/// Runs a program to its end.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Result<()> {
    let output = Command::new(program).args(args).output().with_context(|| format!("start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Runs a shell script in a folder; it stops at the first failure.
pub(crate) fn shell(dir: &Path, script: &str) -> Result<()> {
    let output = Command::new("bash").args(["-ec", script]).current_dir(dir).output().context("start bash")?;
    ensure!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a walk yields, a line each: `P path`, `L path` with its data in a lower file, `D path`.
pub(crate) fn changes(layers: &Layers) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    layerfs::walk(layers, |change| {
        lines.push(match change {
            Change::Present(present) => {
                let letter = if matches!(present.data()?, DataSource::Lower(_)) { 'L' } else { 'P' };
                format!("{letter} {}", present.path.display())
            }
            Change::Deleted { path, .. } => format!("D {}", path.display()),
        });
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(lines)
}

/// Sets an xattr; of a symlink itself.
pub(crate) fn set_xattr(path: &Path, name: &str, value: &str) -> Result<()> {
    rustix::fs::lsetxattr(path, name, value.as_bytes(), rustix::fs::XattrFlags::empty())
        .with_context(|| format!("set {name} of {}", path.display()))
}
