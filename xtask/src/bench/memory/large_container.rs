//! The container with much memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::answer::Listener;
use super::processes::wait_until_resident;
use crate::bench::Container;

/// Has the memory: `dd` has read all of its one block when it waits for somebody who reads it from the FIFO.
const PROGRAM: &str = "dd";
const FIFO: &str = "answers";

fn script(mebibytes: u64) -> String {
    format!("while :; do dd if=/dev/urandom bs={mebibytes}M count=1 iflag=fullblock; done 1<>/bench/{FIFO}")
}

const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct LargeContainer {
    pub(super) container: Container,
    mebibytes: u64,
    folder: PathBuf,
}

impl LargeContainer {
    /// It answers in `folder`.
    pub(super) fn new(name: &str, mebibytes: u64, folder: &Path) -> Self {
        Self { container: Container::named(name), mebibytes, folder: folder.to_owned() }
    }

    /// Starts it, and waits until the memory is there.
    pub(super) fn start(&self, runtime: &str) -> Result<()> {
        fs::create_dir_all(&self.folder).context("cannot make a folder for answers")?;
        mknodat(CWD, self.fifo(), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).context("cannot make a FIFO")?;
        let volume = format!("--volume={}:/bench", self.folder.display());
        self.container.start_script(&[&format!("--runtime={runtime}"), &volume], &script(self.mebibytes))?;
        self.wait_for_memory()
    }

    /// Waits until it runs with all of its memory.
    pub(super) fn wait_for_memory(&self) -> Result<()> {
        wait_until_resident(PROGRAM, self.mebibytes << 20, PATIENCE)
    }

    /// Before it is restored.
    pub(super) fn listen(&self) -> Result<Listener> {
        Listener::at(&self.fifo())
    }

    fn fifo(&self) -> PathBuf {
        self.folder.join(FIFO)
    }

    /// CRIU's images in the bundle, with the folder in which CRIU works above them.
    pub(super) fn images(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(self.container.inspect("OCIConfigPath")?).with_file_name("checkpoint"))
    }

    pub(super) fn remove(&self) -> Result<()> {
        self.container.remove()?;
        match fs::remove_file(self.fifo()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("cannot remove the FIFO"),
            _ => Ok(()),
        }
    }
}
