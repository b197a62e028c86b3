//! A checkpoint, and the one that would be made when some of its pages have changed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::workload::Workload;
use crate::bench::memory::wait_until_resident;
use crate::bench::{Container, run_program};

const PROGRAM: &str = "dd";

/// Has the memory in one block of `dd`, which waits for somebody who reads it.
fn script(mebibytes: u64) -> String {
    format!("mkfifo /fifo; exec 3<>/fifo; dd if=/dev/urandom of=/fifo bs={mebibytes}M count=1 iflag=fullblock & wait")
}

const PATIENCE: Duration = Duration::from_secs(300);

const NAME: &str = "bench-dedup";

const PAGE: usize = 4096;
const CHUNK: usize = 1 << 20;

/// The checkpoint, in a folder of its own.
pub(super) struct Archives {
    folder: PathBuf,
    /// Where the largest image of pages lies.
    pages: (u64, u64),
}

impl Archives {
    /// Makes the checkpoint in `folder`.
    pub(super) fn make(folder: &Path, workload: &Workload) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let container = Container::named(NAME);
        let made = checkpoint(&container, &folder.join("one.tar"), workload.mebibytes);
        container.remove()?;
        made?;
        let pages = pages(&folder.join("one.tar"))?;
        Ok(Self { folder: folder.to_owned(), pages })
    }

    pub(super) fn one(&self) -> PathBuf {
        self.folder.join("one.tar")
    }

    /// A second one that shares nothing, in which so many pages of a thousand, spread evenly by lot, are others.
    pub(super) fn changed(&self, changed: u64) -> Result<PathBuf> {
        let path = self.folder.join("two.tar");
        let _ = fs::remove_file(&path);
        let mut source = File::open(self.one()).context("cannot open the checkpoint")?;
        let mut target = File::create(&path).context("cannot make the second archive")?;
        let (mut chunk, mut at, mut lot) = (vec![0; CHUNK], 0u64, 1u64);
        loop {
            let length = read_full(&mut source, &mut chunk)?;
            if length == 0 {
                break;
            }
            for page in chunk[..length].chunks_mut(PAGE) {
                // A linear congruential generator (Knuth, MMIX): the upper bits are random enough.
                lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let is_of_memory = at >= self.pages.0 && at + PAGE as u64 <= self.pages.1;
                if is_of_memory && (lot >> 33) % 1000 < changed {
                    page[0] ^= 1;
                }
                at += page.len() as u64;
            }
            target.write_all(&chunk[..length]).context("cannot write the second archive")?;
        }
        target.sync_all().context("cannot write the second archive")?;
        Ok(path)
    }

    pub(super) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove {}", self.folder.display()))
    }
}

fn checkpoint(container: &Container, archive: &Path, mebibytes: u64) -> Result<()> {
    container.start_script(&[], &script(mebibytes))?;
    wait_until_resident(PROGRAM, mebibytes << 20, PATIENCE)?;
    let mut ckpt = Command::new("ckpt");
    run_program(ckpt.args(["checkpoint", NAME, "--export"]).arg(archive)).map(drop)
}

/// The bytes of the largest image of pages in the archive.
fn pages(archive: &Path) -> Result<(u64, u64)> {
    let listed = run_program(Command::new("ckpt").args(["ls", "--format", "json"]).arg(archive))?;
    let members = listed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    let members = members.context("`ckpt ls` printed something else than members")?;
    let pages = members
        .iter()
        .filter(|member| member["path"].as_str().is_some_and(|path| path.starts_with("checkpoint/pages-")));
    let places = pages.filter_map(|member| Some((member["data_offset"].as_u64()?, member["size"].as_u64()?)));
    let (offset, size) = places.max_by_key(|(_, size)| *size).context("the checkpoint has no memory")?;
    Ok((offset, offset + size))
}

fn read_full(file: &mut File, buffer: &mut [u8]) -> Result<usize> {
    let mut bytes = Vec::with_capacity(buffer.len());
    file.take(buffer.len() as u64).read_to_end(&mut bytes).context("cannot read the checkpoint")?;
    buffer[..bytes.len()].copy_from_slice(&bytes);
    Ok(bytes.len())
}
