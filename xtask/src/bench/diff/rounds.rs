//! What is measured, in which order.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::changed_container::ChangedContainer;
use super::results::{DiffResults, Image, Round, Sample};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{measure, program};

pub(super) fn run(workload: &Workload) -> Result<DiffResults> {
    let machine = Machine::look()?;
    let graph_root = program::run(Command::new("podman").args(["info", "--format", "{{.Store.GraphRoot}}"]))?;
    let folder = Path::new(graph_root.trim()).join("bench-diff");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut rounds = Vec::new();
    for image in [Image::Tenth, Image::Whole] {
        let files = image.files(workload);
        eprintln!("an image of {files} files");
        let changed = ChangedContainer::make(&folder, files, workload.changes)?;
        let (ckpt, podman) = (listed(&mut changed.ckpt())?, listed(&mut changed.podman())?);
        let missing: Vec<_> = podman.difference(&ckpt).take(3).collect();
        ensure!(missing.is_empty(), "podman lists, and ckpt does not: {missing:?}");
        for number in 0..workload.rounds {
            rounds.push(Round { image, is_podman: false, sample: sample(&mut changed.ckpt())? });
            if number < workload.podman_rounds {
                rounds.push(Round { image, is_podman: true, sample: sample(&mut changed.podman())? });
            }
        }
    }
    Ok(DiffResults { machine, rounds })
}

/// Letters and paths, to see that both do the same work, and to have it all in the caches.
fn listed(command: &mut Command) -> Result<BTreeSet<(char, String)>> {
    let output = program::run(command)?;
    Ok(output.lines().filter_map(|line| Some((line.chars().next()?, line[line.find('/')?..].to_owned()))).collect())
}

fn sample(command: &mut Command) -> Result<Sample> {
    let measured = measure(command)?;
    Ok(Sample {
        elapsed_us: measured.elapsed_us(),
        cpu_us: measured.cpu_us(),
        peak_memory_bytes: measured.peak_memory_bytes,
        lines: measured.stdout.lines().count() as u64,
    })
}
