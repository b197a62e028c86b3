//! The three file systems, each in a sparse file of the cache folder.

use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{FileSystem, host, shell};

/// How long a killed lab may take to write back and let go of its loop devices.
const DETACH_LIMIT: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Images {
    cache: PathBuf,
}

impl Images {
    pub(super) fn new(cache: &Path) -> Self {
        Self { cache: cache.to_owned() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.cache
    }

    pub(super) fn path(&self, fs: FileSystem) -> PathBuf {
        self.cache.join(format!("{fs}.img"))
    }

    /// Makes the missing images, or all of them anew.
    pub(super) fn make(&self, fresh: bool, gibibytes: u64) -> Result<()> {
        let size_bytes = image_bytes(gibibytes)?;
        for fs in FileSystem::ALL {
            let image = self.path(fs);
            if fresh || !image.exists() {
                make_image(fs, &image, size_bytes).with_context(|| format!("cannot make {}", image.display()))?;
            }
        }
        Ok(())
    }

    /// Waits until no loop device holds an image: two mounts of one image through
    /// two devices would destroy it, and the kernel detaches the device of a
    /// killed lab only after the last of its processes is gone.
    pub(super) fn wait_until_free(&self) -> Result<()> {
        let limit = Instant::now() + DETACH_LIMIT;
        while let Some(device) = self.holder()? {
            if Instant::now() > limit {
                bail!(
                    "{device} still holds a file system of {} after {} s",
                    self.cache.display(),
                    DETACH_LIMIT.as_secs()
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn holder(&self) -> Result<Option<String>> {
        let images = FileSystem::ALL.map(|fs| self.path(fs));
        for device in fs::read_dir("/sys/block").context("cannot list /sys/block")? {
            let device = device.context("cannot list /sys/block")?;
            // Absent for every other device and for a loop device without a file.
            let backing = fs::read_to_string(device.path().join("loop/backing_file"));
            if backing.is_ok_and(|file| images.iter().any(|image| image == Path::new(file.trim_end()))) {
                return Ok(Some(device.file_name().to_string_lossy().into_owned()));
            }
        }
        Ok(None)
    }
}

fn image_bytes(default: u64) -> Result<u64> {
    let gibibytes: u64 = match env::var("CKPT_LAB_IMAGE_GB") {
        Ok(text) => text.parse().with_context(|| format!("CKPT_LAB_IMAGE_GB={text} is not a number of gigabytes"))?,
        Err(_) => default,
    };
    Ok(gibibytes << 30)
}

/// A new file instead of the old one: that gives its space back at once.
fn make_image(fs: FileSystem, image: &Path, size_bytes: u64) -> Result<()> {
    if let Err(error) = fs::remove_file(image)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error.into());
    }
    let unfinished = image.with_extension("new");
    File::create(&unfinished)?.set_len(size_bytes)?;
    shell::run_quietly(mkfs(fs).arg(&unfinished).env("PATH", host::PATH))?;
    fs::rename(unfinished, image)?;
    Ok(())
}

fn mkfs(fs: FileSystem) -> Command {
    let mut command = Command::new(format!("mkfs.{fs}"));
    match fs {
        FileSystem::Btrfs => command.arg("-q"),
        FileSystem::Xfs => command.args(["-q", "-m", "reflink=1"]),
        FileSystem::Ext4 => command.args(["-q", "-F"]),
    };
    command
}
