//! The container that is looked at: an image of many files, and many changes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::bench::program;

const IMAGE: &str = "localhost/many-files";
const NAME: &str = "many-changes";

/// Files of one directory, of the image and of what is new.
const PER_FOLDER: u32 = 1000;

/// Made from inside, as a container would: `$1` files of the image are appended to, as many deleted, `$2` made new.
const CHANGE: &str = r#"
    i=0
    while [ "$i" -lt "$1" ]; do
        echo more >> "/files/$((i / 1000))/$i"
        gone=$((i + $1))
        echo "/files/$((gone / 1000))/$gone"
        i=$((i + 1))
    done | xargs rm
    i=0
    while [ "$i" -lt "$2" ]; do
        [ $((i % 1000)) -gt 0 ] || mkdir -p "/new/$((i / 1000))"
        : > "/new/$((i / 1000))/$i"
        i=$((i + 1))
    done"#;

/// A running container of an image with many files; both are removed with it.
pub(super) struct ChangedContainer;

impl ChangedContainer {
    /// Makes the image in `folder`, and the container with its changes.
    pub(super) fn make(folder: &Path, image_files: u32, changes: u32) -> Result<Self> {
        // The image keeps some files that nothing happens to.
        let appended = (changes / 10).min(image_files / 3);
        let changed = Self;
        import_image(folder, image_files)?;
        program::run(
            Command::new("podman")
                .args(["run", "--detach", "--network=none", "--name", NAME, IMAGE])
                .args(["sleep", "infinity"]),
        )?;
        let new = changes.saturating_sub(2 * appended);
        let (appended, new) = (appended.to_string(), new.to_string());
        program::run(Command::new("podman").args(["exec", NAME, "sh", "-ec", CHANGE, "change"]).args([appended, new]))?;
        // Dirty pages that are written out meanwhile would be in the way of all.
        program::run(&mut Command::new("sync"))?;
        Ok(changed)
    }

    pub(super) fn ckpt(&self) -> Command {
        let mut command = Command::new("ckpt");
        command.args(["diff", NAME]);
        command
    }

    pub(super) fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        command.args(["diff", NAME]);
        command
    }
}

impl Drop for ChangedContainer {
    fn drop(&mut self) {
        for arguments in [["rm", "--force", "--ignore", "--time=0", NAME].as_slice(), &["rmi", "--force", IMAGE]] {
            if let Err(error) = program::run(Command::new("podman").args(arguments)) {
                eprintln!("{error:#}");
            }
        }
    }
}

fn import_image(folder: &Path, files: u32) -> Result<()> {
    let root = folder.join("image");
    let make = |path: &Path| fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()));
    make(&root.join("bin"))?;
    fs::copy("/bin/busybox", root.join("bin/busybox")).context("cannot copy busybox")?;
    for name in ["sh", "sleep", "xargs", "rm", "mkdir"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).context("cannot link busybox")?;
    }
    for number in 0..files {
        let parent = root.join("files").join((number / PER_FOLDER).to_string());
        if number % PER_FOLDER == 0 {
            make(&parent)?;
        }
        fs::write(parent.join(number.to_string()), number.to_string()).context("cannot write a file of the image")?;
    }
    let archive = folder.join("image.tar");
    program::run(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."))?;
    fs::remove_dir_all(&root).context("cannot remove the image's files")?;
    let imported = program::run(Command::new("podman").arg("import").arg(&archive).arg(IMAGE))?;
    ensure!(!imported.trim().is_empty(), "podman imported no image");
    fs::remove_file(&archive).context("cannot remove the image's archive")
}
