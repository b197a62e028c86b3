//! The package for Debian, by dpkg-deb: every Debian has that, also the lab, where the package is tested.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use super::step::{epoch, output_of, succeed};
use super::tree;

#[derive(Args)]
pub(crate) struct DebOptions {
    /// The program to pack
    pub(super) ckpt: PathBuf,
    /// The folder for the package
    pub(super) out: PathBuf,
    /// Do not compress it
    #[arg(long)]
    pub(super) fast: bool,
}

/// Runs before files go away. What was enabled points to units that are among them.
const PRERM: &str = include_str!("deb/prerm");

/// Makes `ckpt_VERSION_ARCHITECTURE.deb`: the same bytes for the same program and commit.
pub(super) fn make(source: &Path, options: &DebOptions) -> Result<PathBuf> {
    let folder = tempfile::tempdir_in(&options.out).context("cannot make a folder for the package's files")?;
    let root = folder.path().join("root");
    tree::lay(source, &options.ckpt, &root)?;
    let architecture = text_of(Command::new("dpkg").arg("--print-architecture"))?;
    control(&root, architecture.trim())?;
    let package = options.out.join(format!("ckpt_{}_{}.deb", env!("CARGO_PKG_VERSION"), architecture.trim()));
    let mut build = Command::new("dpkg-deb");
    let compression = if options.fast { "-Znone" } else { "-Zxz" };
    build.args(["--root-owner-group", compression, "--build"]).arg(&root).arg(&package);
    succeed(build.env("SOURCE_DATE_EPOCH", epoch(source)?).stdout(std::io::stderr()))?;
    Ok(package)
}

fn control(root: &Path, architecture: &str) -> Result<()> {
    let glibc = needed_glibc(&fs::read(root.join("usr/bin/ckpt")).context("cannot read the program")?);
    let kib = text_of(Command::new("du").args(["-sk", "--apparent-size"]).arg(root))?;
    let kib = kib.split_whitespace().next().context("du prints a number")?;
    let text = format!(
        "Package: ckpt\n\
         Version: {}\n\
         Architecture: {architecture}\n\
         Maintainer: Contributors of ckpt <ckpt@localhost>\n\
         Section: admin\n\
         Priority: optional\n\
         Installed-Size: {kib}\n\
         Depends: libc6 (>= {glibc}), libgcc-s1, podman (>= 4), criu, crun | runc\n\
         Recommends: bash-completion\n\
         Description: save podman containers to files, and bring them back\n \
         On BTRFS and XFS, files are cloned (reflink): gigabytes take milliseconds and\n \
         no space. The files are archives in podman's own format.\n",
        env!("CARGO_PKG_VERSION")
    );
    let folder = root.join("DEBIAN");
    fs::create_dir(&folder).context("cannot make the folder DEBIAN")?;
    fs::write(folder.join("control"), text).context("cannot write the control file")?;
    let prerm = folder.join("prerm");
    fs::write(&prerm, PRERM).context("cannot write prerm")?;
    fs::set_permissions(&prerm, fs::Permissions::from_mode(0o755)).context("cannot make prerm a program")
}

/// The newest version of glibc of which a program uses something: the linker notes it as `GLIBC_2.34`.
fn needed_glibc(program: &[u8]) -> String {
    const PREFIX: &[u8] = b"GLIBC_2.";
    let begins = program.windows(PREFIX.len()).enumerate().filter(|(_, bytes)| *bytes == PREFIX);
    let newest = begins.filter_map(|(at, _)| leading_number(&program[at + PREFIX.len()..])).max();
    // What the oldest supported Debian has, where nothing is noted.
    format!("2.{}", newest.unwrap_or(31))
}

fn leading_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

fn text_of(command: &mut Command) -> Result<String> {
    String::from_utf8(output_of(command)?).context("no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_glibc_that_is_noted_is_needed() {
        assert_eq!(needed_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), "2.34");
    }
}
