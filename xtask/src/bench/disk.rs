//! Used space of a file system.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{fstatvfs, syncfs};

/// XFS and BTRFS free deleted files in the background: the number is final only
/// when it has stopped to change.
const CALM: Duration = Duration::from_millis(200);
const CALM_LIMIT: Duration = Duration::from_secs(20);

/// The file system that holds a folder.
pub(crate) struct Disk(File);

impl Disk {
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        File::open(folder).map(Self).with_context(|| format!("cannot open {}", folder.display()))
    }

    /// Writes everything back and waits until the file system is idle; bytes in use.
    pub(crate) fn used_when_idle(&self) -> Result<u64> {
        let limit = Instant::now() + CALM_LIMIT;
        let mut used = self.used_when_written_back()?;
        loop {
            thread::sleep(CALM);
            let now = self.used_when_written_back()?;
            if now == used || Instant::now() > limit {
                return Ok(now);
            }
            used = now;
        }
    }

    /// Bytes that can be written.
    pub(crate) fn free(&self) -> Result<u64> {
        let space = fstatvfs(&self.0).context("cannot ask for the free space")?;
        Ok(space.f_bavail * space.f_frsize)
    }

    /// Writes all free space once. The file system lies in a sparse file, and the first to write a block of it waits until
    /// the host has found a place for that: twice to five times as long as the next.
    pub(crate) fn break_in(folder: &Path) -> Result<()> {
        let mut filling = tempfile::tempfile_in(folder).context("cannot make a file")?;
        match io::copy(&mut io::repeat(0), &mut filling) {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
            other => bail!("cannot fill {}: {other:?}", folder.display()),
        }
        filling.sync_all().context("cannot write the file system back")
    }

    fn used_when_written_back(&self) -> Result<u64> {
        syncfs(&self.0).context("cannot write the file system back")?;
        let space = fstatvfs(&self.0).context("cannot ask for the free space")?;
        Ok((space.f_blocks - space.f_bfree) * space.f_frsize)
    }
}
