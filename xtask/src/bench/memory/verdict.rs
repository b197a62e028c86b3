//! The targets, and whether a run met them.

use super::contender::Contender;
use super::results::{Cache, FLOOR_MEBIBYTES, Group, MemoryResults, Restored};
use crate::bench::spread::Spread;
use crate::bench::verdict::{Bound, Verdict};

/// Of podman's time without an archive.
const RATIO: f64 = 1.15;
/// Until a container runs whose memory comes later, of the floor.
const RUNNING_RATIO: f64 = 1.25;
/// At which memory comes, of the rate at which dd reads it. Each page is put as well, which takes longer than reading it
/// from the page cache: so it is also compared with what only does both.
const READ_RATIO: f64 = 0.7;
/// Of the time that CRIU's own server takes to bring as much. Its images are files of their own on the same disk.
const SERVER_RATIO: f64 = 1.0;
const SERVER_MIB: f64 = 32.0;

pub(super) fn verdicts(results: &MemoryResults) -> Vec<Verdict> {
    let groups = results.groups.iter().filter(|group| group.mebibytes > FLOOR_MEBIBYTES);
    groups.flat_map(|group| of_group(group, results.floor(&group.runtime))).collect()
}

fn of_group(group: &Group, floor: Option<&Group>) -> Vec<Verdict> {
    let name = format!("{} MiB, {}", group.mebibytes, group.runtime);
    let mut verdicts = Vec::new();
    let mut add = |what: String, unit, bound, measured: Option<f64>| {
        verdicts.extend(measured.map(|measured| Verdict::new(format!("{name}: {what}"), unit, bound, measured)));
    };
    let ratio = |ours: Option<Spread>, theirs: Option<Spread>| Some(ours?.ratio(&theirs?));
    let [ckpt, local] = [Contender::Ckpt, Contender::Local].map(|who| group.dumped(who, |dumped| dumped.elapsed_us));
    add("checkpoint".into(), "× podman without an archive", Bound::AtMost(RATIO), ratio(ckpt, local));
    for cache in Cache::ALL {
        let at = |group: &Group, who, field: fn(&Restored) -> u64| {
            group.restored((who, cache), |restored| Some(field(restored)))
        };
        let title = cache.title();
        let returned = |who| at(group, who, |restored| restored.returned_us);
        let eager = ratio(returned(Contender::Ckpt), returned(Contender::Local));
        add(format!("restore, {title}"), "× podman without an archive", Bound::AtMost(RATIO), eager);
        for (what, field) in RUNNING {
            for (unit, who) in FLOORS {
                let floor = floor.and_then(|floor| at(floor, who, field));
                let running = ratio(at(group, Contender::Lazy, field), floor);
                add(format!("lazy, {what}, {title}"), unit, Bound::AtMost(RUNNING_RATIO), running);
            }
        }
        let [ours, crius] = [Contender::Lazy, Contender::CriusServer].map(|who| at(group, who, arriving_us));
        let rate = ratio(group.restored((Contender::Lazy, cache), |restored| restored.read_us), ours);
        add(format!("lazy, rate of arrival, {title}"), "× dd's", Bound::AtLeast(READ_RATIO), rate);
        let limit = group.restored((Contender::Lazy, cache), |restored| restored.limit_us);
        let rate = ratio(limit, ours);
        add(format!("lazy, rate of arrival, {title}"), "× reading and putting", Bound::AtLeast(READ_RATIO), rate);
        let time = ratio(ours, crius);
        add(format!("lazy, time of arrival, {title}"), "× criu lazy-pages", Bound::AtMost(SERVER_RATIO), time);
    }
    let memory = group.highest(Contender::Lazy, |restored| restored.server_memory_bytes);
    let memory = memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
    add("lazy, memory of server and keeper".into(), "MiB", Bound::AtMost(SERVER_MIB), memory);
    verdicts
}

type Field = fn(&Restored) -> u64;

const RUNNING: [(&str, Field); 2] =
    [("returns", |restored| restored.returned_us), ("answers", |restored| restored.answered_us)];

/// With 1 MiB podman does the same job, or has the container already.
const FLOORS: [(&str, Contender); 2] =
    [("× podman, archive of 1 MiB", Contender::Podman), ("× podman, 1 MiB in place", Contender::Local)];

/// From the process' first answer, when memory has just begun to come.
pub(super) fn arriving_us(restored: &Restored) -> u64 {
    restored.complete_us.saturating_sub(restored.answered_us).max(1)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn memory_that_comes_later_is_compared_with_the_floor_and_with_dd() {
        let verdicts = verdicts(&results());
        let found: Vec<_> = verdicts.iter().map(|verdict| (&verdict.what[..], verdict.measured, verdict.met)).collect();
        let restores = |restore, returns, answers, rate| {
            [(restore, 1.05, true), (returns, 0.9, true), (returns, 1.2, true), (answers, 1.0, true)]
                .into_iter()
                .chain([(answers, 1.32, false), (rate, 0.8, true), (rate, 0.9, true)])
                .collect::<Vec<_>>()
        };
        let warm = restores(
            "1024 MiB, crun: restore, warm",
            "1024 MiB, crun: lazy, returns, warm",
            "1024 MiB, crun: lazy, answers, warm",
            "1024 MiB, crun: lazy, rate of arrival, warm",
        );
        let cold = restores(
            "1024 MiB, crun: restore, cold",
            "1024 MiB, crun: lazy, returns, cold",
            "1024 MiB, crun: lazy, answers, cold",
            "1024 MiB, crun: lazy, rate of arrival, cold",
        );
        let checkpoint = ("1024 MiB, crun: checkpoint", 1.0, true);
        let memory = ("1024 MiB, crun: lazy, memory of server and keeper", 5.0, true);
        assert_eq!(found, [&[checkpoint][..], &warm, &cold, &[memory]].concat());
    }
}
