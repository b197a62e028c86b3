//! The report as people read it.

use super::contender::Contender;
use super::results::{Cache, Group, Restored};
use super::summary::MemoryReport;
use super::verdict::arriving_us;
use crate::bench::cells::{mebibytes, new_table, seconds, targets};

pub(super) fn render(report: &MemoryReport) -> String {
    let MemoryReport { fs, commit, workload, verdicts, results } = report;
    let mut lines =
        vec![format!("\nProcesses with much random memory on {fs}: {}, commit {commit}", results.machine.line())];
    for group in &results.groups {
        lines.push(format!("\n{} MiB, {}", group.mebibytes, group.runtime));
        lines.push(table(group));
    }
    lines.push(format!(
        "Seconds of wall clock, median (range) of {} rounds, of podman with an archive {}, alternating. Everything was\n\
         written back before each command. Warm: all of it in the page cache, cold: nothing. Returns: the command has\n\
         ended. Answers: the process has given a byte of its memory. Complete: all of its memory is there. Limit: each page of\n\
         the archive is read once and put once. Memory: most of the command, and of those that bring pages later,\n\
         together. The floors have 1 MiB.",
        workload.rounds, workload.podman_rounds
    ));
    lines.push(targets(verdicts).to_string());
    lines.join("\n")
}

fn table(group: &Group) -> String {
    let header = [
        "",
        "checkpoint",
        "cache",
        "returns",
        "answers",
        "complete",
        "of it arriving",
        "dd",
        "limit",
        "memory",
        "server",
    ];
    let mut table = new_table(&header);
    for contender in Contender::ALL {
        for cache in Cache::ALL {
            if let Some(row) = row(group, contender, cache) {
                table.add_row(row);
            }
        }
    }
    table.to_string()
}

/// `None` if the contender was left out.
fn row(group: &Group, contender: Contender, cache: Cache) -> Option<Vec<String>> {
    let spread = |field: fn(&Restored) -> Option<u64>| group.restored((contender, cache), field);
    let mut row = vec![contender.title().to_owned(), seconds(&group.dumped(contender, |dumped| dumped.elapsed_us)?)];
    row.push(cache.title().to_owned());
    row.push(seconds(&spread(|restored| Some(restored.returned_us))?));
    row.push(seconds(&spread(|restored| Some(restored.answered_us))?));
    row.push(seconds(&spread(|restored| Some(restored.complete_us))?));
    let arriving = spread(|restored| Some(arriving_us(restored)));
    row.push(arriving.filter(|_| contender.server().is_some()).map(|spread| seconds(&spread)).unwrap_or_default());
    row.push(spread(|restored| restored.read_us).map(|spread| seconds(&spread)).unwrap_or_default());
    row.push(spread(|restored| restored.limit_us).map(|spread| seconds(&spread)).unwrap_or_default());
    row.push(mebibytes(group.highest(contender, |restored| restored.peak_memory_bytes)?));
    let server = group.highest(contender, |restored| restored.server_memory_bytes);
    row.push(server.filter(|_| contender.server().is_some()).map(mebibytes).unwrap_or_default());
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_and_memory() {
        let group = &results().groups[1];
        let expected = [
            "ckpt restore --lazy",
            "3.000",
            "cold",
            "0.360",
            "0.330",
            "0.830",
            "0.500",
            "0.400",
            "0.450",
            "8.0 MiB",
            "5.0 MiB",
        ];
        assert_eq!(row(group, Contender::Lazy, Cache::Cold).unwrap(), expected);
        assert_eq!(row(group, Contender::Ckpt, Cache::Warm).unwrap()[6], "");
        assert_eq!(row(group, Contender::Podman, Cache::Warm), None);
    }
}
