//! User namespaces: an archive holds owners as the container sees them, wherever the storage shifts them.
//!
//! CRIU brings no container of podman with a user namespace back (see `criu_brings_no_user_namespace_back`), so files
//! are taken and placed as a checkpoint and a restore would, between containers that podman makes.

mod carry;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ckpt_core::operand::{Layers, Operand};

const IMAGE: &str = "localhost/busybox";

/// containers/storage chowns a copy of the image's layers then, as before Linux 5.19.
const NO_IDMAPPED_MOUNTS: (&str, &str) = ("_CONTAINERS_OVERLAY_DISABLE_IDMAP", "yes");

/// What the container does: new and changed files of several owners, a parent that only the image has, an ACL-less
/// directory made anew, a set-id file, deletions.
const CHANGE: &str = "
    echo new > /srv/new; chown 5:6 /srv/new; mkdir -p /srv/own/deep; chown 65535:7 /srv/own; echo x > /srv/own/deep/x
    cp /bin/busybox /srv/setuid; chown 1:1 /srv/setuid; chmod 4755 /srv/setuid; ln /srv/new /srv/link; ln -s no /srv/sym
    mkfifo /srv/fifo; chmod 700 /home; echo more >> /etc/group; rm /etc/passwd; chown 3:4 /tmp; touch -d @1 /srv/own/deep";

/// Every file with its owner as seen from inside. Times of directories are left out: chowning layers changes them.
const LIST: &str = "list() { find / -xdev ! -path '/etc/host*' ! -path /etc/resolv.conf ! -path '/run*' ! -path '/dev*' \
     ! -path '/proc*' ! -path '/sys*' \"$@\"; }
     { list -type d -exec stat -c '%n %F %a %u:%g' {} +; list ! -type d -exec stat -c '%n %F %a %u:%g %s %Y %h' {} +; } | sort";

struct Container(String);

impl Container {
    fn podman(verb: &str, name: &str, map: &str, idmapped: bool) -> Result<Self> {
        let mut podman = Command::new("podman");
        podman.args([verb, "--name", name, "--network=none", "--uidmap", map, "--gidmap", map]);
        if verb == "run" {
            podman.arg("--detach");
        }
        if !idmapped {
            podman.env(NO_IDMAPPED_MOUNTS.0, NO_IDMAPPED_MOUNTS.1);
        }
        let container = Self(name.to_owned());
        said(podman.args([IMAGE, "sleep", "1000"]))?;
        Ok(container)
    }

    fn exec(&self, script: &str) -> Result<String> {
        said(Command::new("podman").args(["exec", &self.0, "sh", "-ec", script]))
    }

    fn layers(&self) -> Result<Layers> {
        match Operand::find(&self.0)? {
            Operand::Layers { layers, .. } => Ok(*layers),
            other => anyhow::bail!("{other:?}"),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if let Err(error) = said(Command::new("podman").args(["rm", "--force", "--time=0", &self.0])) {
            eprintln!("{error:#}");
        }
    }
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// From a container of one user namespace to one of another, each by either means of the storage.
fn carried(from_idmapped: bool, to_idmapped: bool) -> Result<()> {
    let source = Container::podman("run", "userns-source", "0:100000:65536", from_idmapped)?;
    let before = source.exec(LIST)?;
    source.exec(CHANGE)?;
    let expected = source.exec(LIST)?;
    assert_ne!(before, expected);
    assert!(expected.contains("/srv/new regular file 644 5:6") && expected.contains("/srv/own directory 755 65535:7"));

    let target = Container::podman("create", "userns-target", "0:300000:65536", to_idmapped)?;
    let (from, to) = (source.layers()?, target.layers()?);
    assert!(!from.ids.is_identity() && !to.ids.is_identity());
    // Only chowned image layers are shifted themselves.
    assert_eq!(from.lower_ids.iter().any(|ids| !ids.is_identity()), !from_idmapped, "{from:?}");
    assert_eq!(to.lower_ids.iter().any(|ids| !ids.is_identity()), !to_idmapped, "{to:?}");
    carry::carry(&from, &to)?;
    let mut start = Command::new("podman");
    if !to_idmapped {
        start.env(NO_IDMAPPED_MOUNTS.0, NO_IDMAPPED_MOUNTS.1);
    }
    said(start.args(["start", "userns-target"]))?;
    let found = target.exec(LIST)?;
    let missing: Vec<_> = expected.lines().filter(|line| !found.contains(line)).collect();
    let extra: Vec<_> = found.lines().filter(|line| !expected.contains(line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
    Ok(())
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn idmapped_mounts_come_back() -> Result<()> {
    carried(true, true)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn chowned_layers_come_back() -> Result<()> {
    carried(false, false)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn chowned_layers_come_back_over_idmapped_mounts() -> Result<()> {
    carried(false, true)
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn idmapped_mounts_come_back_over_chowned_layers() -> Result<()> {
    carried(true, false)
}

/// The parents of a deletion that no member names: copied up with the lower directory's owner, shifted.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn copied_up_parents_are_shifted() -> Result<()> {
    for idmapped in [true, false] {
        let target = Container::podman("create", "userns-parents", "0:300000:65536", idmapped)?;
        let layers = target.layers()?;
        let mut upper = layerfs::Upperdir::open(&layers)?;
        upper.delete("etc/passwd".as_ref())?;
        upper.finish()?;
        let metadata = std::fs::metadata(layers.upperdir.join("etc"))?;
        let owner = (std::os::unix::fs::MetadataExt::uid(&metadata), std::os::unix::fs::MetadataExt::gid(&metadata));
        assert_eq!(owner, (300_000, 300_000), "idmapped: {idmapped}");
    }
    Ok(())
}

/// The day that this fails, checkpoints of such containers can be tested as a whole: CRIU dumps none of crun's, whose
/// devices are bind mounts, and restores none of runc's, whose tasks may not read the images.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn criu_brings_no_user_namespace_back() -> Result<()> {
    for (runtime, dumps) in [("crun", false), ("runc", true)] {
        let container = Container("userns-dump".into());
        let mut podman = Command::new("podman");
        podman.args(["run", "--detach", "--runtime", runtime, "--network=none", "--uidmap", "0:100000:65536"]);
        said(podman.args(["--name", &container.0, IMAGE, "sleep", "1000"]))?;
        let dumped = Command::new("podman").args(["container", "checkpoint", &container.0]).output()?;
        assert_eq!(dumped.status.success(), dumps, "{runtime}: {dumped:?}");
        if dumps {
            let restored = Command::new("podman").args(["container", "restore", &container.0]).output()?;
            assert!(!restored.status.success(), "{runtime}: {restored:?}");
        }
    }
    Ok(())
}
