//! The measurements, inside the lab.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::many;
use super::results::{Round, SaveResults};
use super::sharing;
use super::workload::Workload;
use crate::bench::machine::Machine;
use crate::bench::{Container, Disk, Interrupt, free_memory, measure, run_program};

const NAME: &str = "bench-save";

/// On podman's file system.
const FOLDER: &str = "/var/lib/containers/bench";

/// The lab's Python, and what it needs.
const MOUNTS: [&str; 3] = ["--volume=/usr:/usr:ro", "--volume=/usr/lib:/lib:ro", "--volume=/usr/lib64:/lib64:ro"];

/// Has random memory, of which SIGUSR1 changes a part; says how often in a file.
const CHANGE: &str = r#"exec /usr/bin/python3 -c '
import mmap, random, signal
pages, changed, chance, times = MEBIBYTES << 8, CHANGED, random.Random(1), 0
memory = mmap.mmap(-1, pages << 12, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(memory), 1 << 20):
    memory[at : at + (1 << 20)] = chance.randbytes(1 << 20)
def say():
    with open("/times", "w") as file:
        print(times, file=file)
def change(*_):
    global times
    for _ in range(pages * changed // 1000):
        memory[chance.randrange(pages) << 12] ^= 1
    times += 1
    say()
signal.signal(signal.SIGUSR1, change)
say()
while True:
    signal.pause()
'"#;

const PATIENCE: Duration = Duration::from_secs(300);

/// All rounds; leaves no container and no archive, whatever happens.
pub(super) fn run(workload: &Workload) -> Result<SaveResults> {
    let container = Container::named(NAME);
    let results = measure_all(workload, &container);
    let removed = container.remove();
    fs::remove_dir_all(FOLDER).with_context(|| format!("cannot remove {FOLDER}"))?;
    let results = results?;
    removed?;
    Ok(results)
}

fn measure_all(workload: &Workload, container: &Container) -> Result<SaveResults> {
    let (machine, interrupt) = (Machine::look()?, Interrupt::listen()?);
    fs::create_dir_all(FOLDER).with_context(|| format!("cannot make {FOLDER}"))?;
    let history = many::measure_history(Path::new(FOLDER), workload.archives)?;
    let Workload { mebibytes, changed, .. } = workload;
    let script = CHANGE.replace("MEBIBYTES", &mebibytes.to_string()).replace("CHANGED", &changed.to_string());
    container.start_script(&MOUNTS, &script)?;
    wait_for_times(container, 0)?;
    // The first save has none before it.
    save()?;
    let rounds = (0..workload.rounds).map(|number| {
        interrupt.check()?;
        let round = measure_round(container, number, mebibytes << 20)?;
        eprintln!(
            "  round {}: save {:.3} s, frozen {:.3} s, a checkpoint {:.3} s",
            number + 1,
            round.save_us as f64 / 1e6,
            round.save_frozen_us as f64 / 1e6,
            round.checkpoint_frozen_us as f64 / 1e6
        );
        Ok(round)
    });
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    Ok(SaveResults { machine, rounds, history })
}

fn measure_round(container: &Container, number: u32, memory: u64) -> Result<Round> {
    let (folder, disk) = (Path::new(FOLDER), Disk::of(Path::new(FOLDER))?);
    let plain = folder.join("plain.tar");
    change(container, 2 * number + 1)?;
    free_memory::touch(2 * memory)?;
    let mut checkpoint = Command::new("ckpt");
    let checkpoint = measure(checkpoint.args(["checkpoint", "-R", "--print-stats", NAME, "-e"]).arg(&plain))?;
    let stats: Value = serde_json::from_str(&checkpoint.stdout).context("the statistics are no JSON")?;
    let frozen = stats.pointer("/container_statistics/0/ckpt/observed_frozen_us").and_then(Value::as_u64);
    change(container, 2 * number + 2)?;
    disk.used_when_idle()?;
    free_memory::touch(2 * memory)?;
    let saved = save()?;
    let newest = newest()?;
    let sharing = sharing::measure_sharing(Path::new(newest["path"].as_str().context("a save has no path")?), &plain)?;
    fs::remove_file(&plain).context("cannot remove the archive")?;
    disk.used_when_idle()?;
    Ok(Round {
        checkpoint_us: checkpoint.elapsed_us(),
        checkpoint_frozen_us: frozen.context("the statistics have no frozen time")?,
        save_us: saved.elapsed_us(),
        save_frozen_us: newest["frozen_us"].as_u64().context("the save has no frozen time")?,
        memory_bytes: saved.peak_memory_bytes,
        alone_bytes: newest["alone_bytes"].as_u64().context("the save has no size of its own")?,
        sharing,
    })
}

fn store() -> String {
    format!("--store={FOLDER}/saves")
}

fn save() -> Result<crate::bench::Measured> {
    measure(Command::new("ckpt").args(["save", NAME, &store()]))
}

fn newest() -> Result<Value> {
    let listed = run_program(Command::new("ckpt").args(["history", NAME, "--format", "json", &store()]))?;
    let listed: Vec<Value> = serde_json::from_str(&listed).context("the history is no JSON")?;
    listed.into_iter().next_back().context("there is no save")
}

fn change(container: &Container, times: u32) -> Result<()> {
    run_program(Command::new("podman").args(["kill", "--signal=USR1", NAME]))?;
    wait_for_times(container, times)
}

/// Until it has changed its memory so often.
fn wait_for_times(container: &Container, times: u32) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    while container.exec(&["cat", "/times"]).ok().and_then(|said| said.trim().parse().ok()) != Some(times) {
        ensure!(Instant::now() < limit, "{NAME} has not changed its memory {times} times");
        sleep(Duration::from_millis(100));
    }
    Ok(())
}
