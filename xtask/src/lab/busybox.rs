//! The image `localhost/busybox`: something small that runs, with files of
//! every kind to edit, replace and delete.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::fs::{XattrFlags, setxattr};

use super::shell;

const NAME: &str = "localhost/busybox:latest";
const BUSYBOX: &str = "/bin/busybox";

/// Below /var/tmp, which is on podman's file system: tmpfs has user xattrs only since Linux 6.6.
const FOLDER: &str = "/var/tmp/busybox-image";

pub(super) fn make_image_unless_there() -> Result<()> {
    let there = Command::new("podman").args(["image", "exists", NAME]).status().context("cannot start podman")?;
    if there.success() {
        return Ok(());
    }
    let folder = Path::new(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(folder).context("cannot remove an unfinished image folder")?;
    }
    fill(folder).context("cannot fill the image folder")?;
    import(folder)?;
    fs::remove_dir_all(folder).context("cannot remove the image folder")
}

fn fill(root: &Path) -> Result<()> {
    for folder in ["bin", "etc", "root", "home/user", "tmp", "var/log", "srv"] {
        fs::create_dir_all(root.join(folder))?;
    }
    set_mode(&root.join("tmp"), 0o1777)?;
    set_mode(&root.join("root"), 0o700)?;
    fs::copy(BUSYBOX, root.join("bin/busybox"))?;
    for applet in shell::read(Command::new(BUSYBOX).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\nuser:x:1000:\n")?;
    fs::write(root.join("etc/hostname-of-image"), "busybox\n")?;
    chown(root.join("home/user"), Some(1000), Some(1000))?;
    fill_tree(&root.join("srv/tree"))
}

/// `/srv/tree`: 40 files in 4 folders, then one of each odd kind.
fn fill_tree(tree: &Path) -> Result<()> {
    for number in 0..40_usize {
        let folder = tree.join(format!("folder{}", number % 4));
        fs::create_dir_all(&folder)?;
        let line = format!("file {number} of the image\n");
        // From nothing to some blocks, most not a whole number of them.
        fs::write(folder.join(format!("file{number}")), line.repeat(number * 13))?;
    }
    symlink("folder0/file0", tree.join("symlink"))?;
    symlink("/nowhere", tree.join("dangling"))?;
    fs::hard_link(tree.join("folder1/file1"), tree.join("hardlink"))?;
    fs::create_dir(tree.join("empty"))?;
    fs::write(tree.join("with-xattr"), "has user.note\n")?;
    setxattr(tree.join("with-xattr"), "user.note", b"kept in the image", XattrFlags::CREATE)?;
    fs::write(tree.join("of-user"), "belongs to 1000:1000\n")?;
    chown(tree.join("of-user"), Some(1000), Some(1000))?;
    fs::write(tree.join("setuid"), "mode 4755\n")?;
    set_mode(&tree.join("setuid"), 0o4755)?;
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn import(folder: &Path) -> Result<()> {
    let mut tar = Command::new("tar")
        .args(["--create", "--numeric-owner", "--sort=name"])
        .args(["--xattrs", "--xattrs-include=user.*"])
        .arg("--directory")
        .args([folder, Path::new(".")])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start tar")?;
    let archive = tar.stdout.take().expect("its output was asked for");
    let import = Command::new("podman")
        .args(["import", "--quiet", "--change", "CMD [\"sh\"]", "-", NAME])
        .stdin(archive)
        .stdout(Stdio::null())
        .status()
        .context("cannot start podman import")?;
    let tar = tar.wait().context("cannot wait for tar")?;
    ensure!(tar.success(), "tar of the image folder: {tar}");
    ensure!(import.success(), "podman import: {import}");
    Ok(())
}
