//! What the host must have before a lab can be made: root and a few programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::geteuid;

use super::shell;

/// Standard places of system programs; a user's PATH often lacks the sbin ones.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program (or a file, when absolute) and the Debian package that has it.
/// The mkfs programs are the host's, since its kernel has to mount what they make.
const NEEDED: [(&str, &str); 8] = [
    ("debootstrap", "debootstrap"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
];

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

pub(super) fn require_root() -> Result<()> {
    ensure!(
        is_root(),
        "the lab mounts file systems and starts containers: run it as root, \
         for example with `sudo -E env PATH=\"$PATH\" cargo xtask lab`"
    );
    Ok(())
}

/// Installs what the lab itself needs.
pub(super) fn install_missing_tools() -> Result<()> {
    install_missing(&NEEDED)
}

/// Installs the packages of those programs that are not there.
pub(crate) fn install_missing(needed: &[(&str, &'static str)]) -> Result<()> {
    let mut packages: Vec<&str> =
        needed.iter().filter(|(program, _)| !exists(program)).map(|&(_, package)| package).collect();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    ensure!(
        is_root() && exists("apt-get"),
        "not root, or a host without apt-get: install the programs of these Debian packages by hand: {}",
        packages.join(" ")
    );
    eprintln!("xtask: installing {}", packages.join(" "));
    shell::run(apt_get().arg("update"))?;
    shell::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").env("PATH", PATH);
    command
}

fn exists(program: &str) -> bool {
    PATH.split(':').any(|folder| Path::new(folder).join(program).exists())
}
