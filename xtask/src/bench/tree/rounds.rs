//! The measurements, inside the lab.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::census::{Census, compare, data_map};
use super::contender::{Contender, Setting};
use super::grow::Plot;
use super::plan::{Tree, TreePlan, Workload};
use super::results::{CountedTree, Round, Sample, TreeResults};
use crate::bench::machine::Machine;
use crate::bench::{Disk, Interrupt, measure, run_program};

/// All rounds; leaves no tree and no archive, whatever happens.
pub(super) fn run(plan: &TreePlan) -> Result<TreeResults> {
    let folder = Path::new("/mnt").join(plan.fs.name()).join("bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bench = Bench { plan, disk: Disk::of(&folder)?, folder: folder.clone(), interrupt: Interrupt::listen()? };
    let results = bench.results();
    let removed = fs::remove_dir_all(&folder).context("cannot remove the benchmark's folder");
    let results = results?;
    removed?;
    Ok(results)
}

struct Bench<'p> {
    plan: &'p TreePlan,
    folder: PathBuf,
    disk: Disk,
    interrupt: Interrupt,
}

/// A tree on disk.
struct Grown<'p> {
    plot: Plot<'p>,
    root: PathBuf,
    census: Census,
}

impl<'p> Bench<'p> {
    fn results(&self) -> Result<TreeResults> {
        let machine = Machine::look()?;
        let (mut counted, mut rounds) = (Vec::new(), Vec::new());
        for &workload in &self.plan.workloads {
            let trees = workload.trees().iter().map(|&tree| self.grow(tree)).collect::<Result<Vec<_>>>()?;
            rounds.extend(self.rounds(workload, &trees)?);
            for Grown { plot, root, census } in trees {
                fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
                counted.push(CountedTree { tree: plot.tree, census });
            }
            // What was in use stays allocated in the lab's image otherwise, on the host.
            run_program(Command::new("fstrim").arg(&self.folder))?;
        }
        Ok(TreeResults { machine, trees: counted, rounds })
    }

    fn grow(&self, tree: Tree) -> Result<Grown<'p>> {
        self.interrupt.check()?;
        let plot = Plot { tree, fs: self.plan.fs, scale: &self.plan.scale };
        let root = self.folder.join("tree").join(format!("{tree:?}").to_lowercase());
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        plot.grow(&root)?;
        let census = Census::of(&root)?;
        eprintln!("  {tree:?}: {census:?}");
        Ok(Grown { plot, root, census })
    }

    fn rounds(&self, workload: Workload, trees: &[Grown<'_>]) -> Result<Vec<Round>> {
        let mut rounds = Vec::new();
        let most = [true, false].map(|reference| self.plan.scale.rounds(workload, reference)).into_iter().max();
        for number in 0..most.unwrap_or(0) {
            for contender in self.contenders(workload, number) {
                for tree in trees {
                    self.interrupt.check()?;
                    let round = self.round(tree, contender);
                    let round = round.with_context(|| format!("round {} of {contender:?}", number + 1))?;
                    show(number, &round);
                    rounds.push(round);
                }
            }
        }
        Ok(rounds)
    }

    /// Who takes part in this round, each time beginning with another.
    fn contenders(&self, workload: Workload, number: u32) -> Vec<Contender> {
        let TreePlan { fs, scale, .. } = self.plan;
        let rounds = |who: Contender| scale.rounds(workload, who.is_reference(workload, *fs));
        let takes_part = |who: &Contender| who.takes_part(workload, *fs) && number < rounds(*who);
        let mut contenders: Vec<Contender> = Contender::ALL.into_iter().filter(takes_part).collect();
        let first = number as usize % contenders.len().max(1);
        contenders.rotate_left(first);
        contenders
    }

    fn round(&self, grown: &Grown<'_>, contender: Contender) -> Result<Round> {
        let Grown { plot, root, census } = grown;
        let setting = Setting { tree: plot.tree, fs: plot.fs, limits: &self.plan.limits };
        let [archive, target] = ["archive", "unpacked"].map(|name| self.folder.join(name));
        warm_up(grown)?;
        let pack = self.sample(&mut contender.pack(&setting, root, &archive))?;
        fs::create_dir(&target).context("cannot make the folder to unpack in")?;
        let unpack = self.sample(&mut contender.unpack(&setting, &archive, &target))?;
        compare(plot, census, root, &target, contender.keeps_attributes())?;
        let holes_kept = (plot.tree == Tree::Sparse).then(|| same_holes(grown, &target)).transpose()?;
        fs::remove_dir_all(&target).context("cannot remove what was unpacked")?;
        remove(&archive).context("cannot remove the archive")?;
        Ok(Round { tree: plot.tree, contender, pack, unpack, holes_kept })
    }

    fn sample(&self, command: &mut Command) -> Result<Sample> {
        let before = self.disk.used_when_idle()?;
        let measured = measure(command)?;
        let after = self.disk.used_when_idle()?;
        Ok(Sample {
            elapsed_us: measured.elapsed_us(),
            cpu_us: measured.cpu_us(),
            peak_memory_bytes: measured.peak_memory_bytes,
            grown_bytes: after.cast_signed().wrapping_sub(before.cast_signed()),
        })
    }
}

/// Reads everything once, so that no contender finds less of it in memory than another.
fn warm_up(Grown { plot, root, .. }: &Grown<'_>) -> Result<()> {
    if plot.tree == Tree::Sparse {
        // A terabyte of zeros would take minutes; what reads it reads data only.
        return Ok(());
    }
    for leaf in plot.leaves() {
        let path = root.join(leaf.path);
        File::open(&path)
            .and_then(|mut file| io::copy(&mut file, &mut io::sink()))
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(())
}

fn same_holes(Grown { plot, root, .. }: &Grown<'_>, target: &Path) -> Result<bool> {
    for leaf in plot.leaves() {
        if data_map(&root.join(&leaf.path))? != data_map(&target.join(&leaf.path))? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `cp` makes a folder instead of a file.
fn remove(archive: &Path) -> io::Result<()> {
    if archive.is_dir() { fs::remove_dir_all(archive) } else { fs::remove_file(archive) }
}

fn show(number: u32, Round { tree, contender, pack, unpack, .. }: &Round) {
    let [pack, unpack] = [pack, unpack].map(|sample| sample.elapsed_us as f64 / 1e6);
    let tree = format!("{tree:?}");
    eprintln!("  round {}, {tree:8} {:22} {pack:8.3} s {unpack:8.3} s", number + 1, contender.title());
}
