//! The measurements, inside the lab.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::registry::Registry;
use super::results::{Round, ShipResults};
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Container, Interrupt, measure, run_program};

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench-ship";

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<ShipResults> {
    let (machine, interrupt) = (Machine::look()?, Interrupt::listen()?);
    let folder = Path::new(FOLDER);
    fs::create_dir_all(folder).context("cannot make a folder")?;
    let rounds = make_archive(folder, workload).and_then(|archive| {
        let registry = Registry::start(folder)?;
        let rounds = (0..workload.rounds).map(|number| {
            interrupt.check()?;
            let round = measure_round(folder, &archive, &registry)?;
            eprintln!("  round {}: {round:?}", number + 1);
            Ok(round)
        });
        rounds.collect::<Result<Vec<_>>>()
    });
    fs::remove_dir_all(folder).context("cannot remove the folder")?;
    Ok(ShipResults { machine, rounds: rounds? })
}

/// The archive of a container whose one large file is random: nothing is won by compressing it.
fn make_archive(folder: &Path, workload: &Workload) -> Result<String> {
    let archive = folder.join("ship.tar").to_string_lossy().into_owned();
    let container = Container::named("bench-ship");
    let made = container
        .start(None)
        .and_then(|()| container.fill(1, workload.mebibytes << 20))
        .and_then(|()| run_program(Command::new("ckpt").args(["checkpoint", "bench-ship", "-e", &archive])));
    container.remove()?;
    made?;
    Ok(archive)
}

fn measure_round(folder: &Path, archive: &str, registry: &Registry) -> Result<Round> {
    let layout = |name: &str| format!("oci:{}:web", folder.join(name).display());
    let time = |program: &str, arguments: &[&str]| -> Result<u64> {
        // What the command before has still to write is not this one's.
        run_program(&mut Command::new("sync"))?;
        Ok(measure(&mut registry.program(program, arguments))?.elapsed_us())
    };
    let (ours, theirs, back) = (layout("ours"), layout("theirs"), folder.join("back.tar"));
    let back = back.to_string_lossy();
    let image = registry.image("web:1");
    let remote = format!("docker://{image}");
    let skopeo = ["copy", "--quiet", "--preserve-digests"];
    time("sha256sum", &[archive])?;
    let digest_us = time("sha256sum", &[archive])?;
    let layout_us = time("ckpt", &["push", archive, &ours])?;
    registry.empty()?;
    let skopeo_push_us = time("skopeo", &[&skopeo[..], &["--dest-tls-verify=false", &ours, &remote]].concat())?;
    registry.empty()?;
    let push_us = time("ckpt", &["push", archive, &image, "--compress", "none"])?;
    let skopeo_pull_us = time("skopeo", &[&skopeo[..], &["--src-tls-verify=false", &remote, &theirs]].concat())?;
    let pull_us = time("ckpt", &["pull", &image, "-e", &back])?;
    registry.empty()?;
    let zstd_push_us = time("ckpt", &["push", archive, &image])?;
    let zstd_pull_us = time("ckpt", &["pull", &image, "-e", &back])?;
    run_program(Command::new("cmp").args([archive, &back]))?;
    for name in ["ours", "theirs"] {
        fs::remove_dir_all(folder.join(name)).context("cannot remove a folder of images")?;
    }
    let archive_bytes = fs::metadata(archive).context("cannot look at the archive")?.len();
    Ok(Round {
        archive_bytes,
        digest_us,
        layout_us,
        push_us,
        skopeo_push_us,
        pull_us,
        skopeo_pull_us,
        zstd_push_us,
        zstd_pull_us,
    })
}
