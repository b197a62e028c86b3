//! `history` of many archives: clones of one save.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::bench::{Container, measure, run_program};

const NAME: &str = "bench-history";
const RUNS: u32 = 5;

/// How long it took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct History {
    /// With the index lost.
    pub(super) first_us: u64,
    pub(super) warm_us: Vec<u64>,
}

/// Of a store in `folder`, which is removed.
pub(super) fn measure_history(folder: &Path, archives: u32) -> Result<History> {
    let (container, store) = (Container::named(NAME), folder.join("many"));
    container.start(None)?;
    let saved = run_program(Command::new("ckpt").args(["save", NAME, "--store"]).arg(&store));
    container.remove()?;
    saved?;
    let of_container = store.join(NAME);
    let save = the_save_in(&of_container)?;
    for number in 1..archives {
        let clone = of_container.join(format!("clone-{number:06}.tar"));
        run_program(Command::new("cp").arg("--reflink=always").arg(&save).arg(clone))?;
    }
    fs::remove_file(of_container.join(".index.json")).context("cannot remove the index")?;
    let history = || Ok(measure(Command::new("ckpt").args(["history", NAME, "--store"]).arg(&store))?.elapsed_us());
    // Whether an extent is shared costs BTRFS more while what shares it is not on the disk yet.
    rustix::fs::sync();
    let first_us = history()?;
    let warm_us = (0..RUNS).map(|_| history()).collect::<Result<_>>()?;
    fs::remove_dir_all(&store).context("cannot remove the long history")?;
    Ok(History { first_us, warm_us })
}

fn the_save_in(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).context("cannot read the store")?.flatten().map(|entry| entry.path());
    let mut archives = entries.filter(|path| path.extension().is_some_and(|ending| ending == "tar"));
    archives.next().context("there is no save")
}
