//! The Debian folder, made once by debootstrap.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{host, shell};

const SUITE: &str = "trixie";

/// What tests, demo and benchmarks use inside. iptables is what CRIU locks a
/// container's network with, libcriu2 what crun loads at run time.
const PACKAGES: &[&str] = &[
    "aardvark-dns",
    "acl",
    "age",
    "attr",
    "btrfs-progs",
    "buildah",
    "busybox-static",
    "ca-certificates",
    "catatonit",
    "checkpointctl",
    "conmon",
    "criu",
    "crun",
    "curl",
    "docker-cli",
    "docker-registry",
    "docker.io",
    "e2fsprogs",
    "fish",
    "fuse-overlayfs",
    "gdb-minimal",
    "iproute2",
    "iptables",
    "libarchive-tools",
    "libcriu2",
    "man-db",
    "netavark",
    "nftables",
    "podman",
    "procps",
    "python3",
    "python3-podman",
    "rsync",
    "runc",
    "skopeo",
    "strace",
    "systemd",
    "umoci",
    "util-linux",
    "xfsprogs",
    "zsh",
    "zstd",
];

/// Names what the folder was made from; a folder with another one is made anew.
const STAMP: &str = "etc/ckpt-lab-recipe";

/// Makes `cache/debian` unless it is there and made from the present recipe.
pub(super) fn make_unless_current(cache: &Path) -> Result<()> {
    let folder = cache.join("debian");
    let recipe = format!("{SUITE}\n{}\n", PACKAGES.join("\n"));
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|made_from| made_from == recipe) {
        return Ok(());
    }
    ensure!(
        !folder.to_string_lossy().contains(char::is_whitespace),
        "debootstrap takes no folder with a space in its path: set CKPT_LAB_CACHE to another"
    );
    eprintln!("xtask: making a Debian in {} (once, a minute or two)", folder.display());
    let unfinished = cache.join("debian.new");
    remove(&unfinished)?;
    debootstrap(&unfinished)?;
    slim(&unfinished)?;
    fs::write(unfinished.join(STAMP), recipe).context("cannot write the recipe")?;
    remove(&folder)?;
    fs::rename(&unfinished, &folder).context("cannot name the finished Debian folder")
}

/// Runs in namespaces of its own: debootstrap mounts a proc in the folder,
/// which an interrupted one would leave on the host.
fn debootstrap(folder: &Path) -> Result<()> {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid"])
        .args(["--fork", "--kill-child", "--propagation", "private"])
        .args(["debootstrap", "--variant=minbase"])
        .arg(format!("--include={}", PACKAGES.join(",")))
        .arg(SUITE)
        .arg(folder)
        .arg(mirror()?)
        .env("PATH", host::PATH);
    for (variable, key) in [("http_proxy", "Acquire::http::Proxy"), ("https_proxy", "Acquire::https::Proxy")] {
        if let Some(proxy) = apt_proxy(key)? {
            command.env(variable, proxy);
        }
    }
    shell::run(&mut command).context("cannot make the Debian folder")
}

/// Where the host's own apt gets Debian from.
fn mirror() -> Result<String> {
    if let Ok(url) = env::var("CKPT_LAB_MIRROR") {
        return Ok(url);
    }
    let mut sites = debian_sites()?;
    if sites.is_empty() {
        // apt knows the origin of a source only once it has its lists.
        shell::run(Command::new("apt-get").arg("update"))?;
        sites = debian_sites()?;
    }
    sites.pop_first().context(
        "apt's sources on this host name no Debian mirror: \
         set CKPT_LAB_MIRROR to the URL of one",
    )
}

fn debian_sites() -> Result<BTreeSet<String>> {
    let targets = shell::read(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)",
        "Created-By: Packages",
    ]))?;
    Ok(targets
        .lines()
        .filter_map(|line| line.strip_prefix("Debian|Debian|main|"))
        .filter(|site| site.starts_with("http"))
        .map(str::to_owned)
        .collect())
}

fn apt_proxy(key: &str) -> Result<Option<String>> {
    let line = shell::read(Command::new("apt-config").args(["dump", "--format", "%v%n", key]))?;
    Ok(Some(line.trim().to_owned()).filter(|proxy| !proxy.is_empty()))
}

/// Gives back the space of what only the installation needed.
fn slim(folder: &Path) -> Result<()> {
    for emptied in ["var/cache/apt/archives", "var/lib/apt/lists"] {
        remove(&folder.join(emptied))?;
    }
    // The host's name servers, which debootstrap copies, are not reachable inside.
    fs::write(folder.join("etc/resolv.conf"), "").context("cannot empty resolv.conf")?;
    ensure!(folder.join("usr/bin/podman").exists(), "debootstrap ended well but installed no podman");
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.with_context(|| format!("cannot remove {}", folder.display())),
    }
}
