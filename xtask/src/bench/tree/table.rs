//! The report as people read it.

use comfy_table::Table;

use super::contender::Contender;
use super::plan::Tree;
use super::results::{CountedTree, TreeResults, Verb};
use super::summary::TreeReport;
use crate::bench::cells::{mebibytes, new_table, seconds, targets};

const HEADER: [&str; 11] =
    ["", "pack, s", "÷ ckpt", "CPU, s", "disk, MB", "memory", "unpack, s", "÷ ckpt", "CPU, s", "disk, MB", "memory"];

pub(super) fn render(report: &TreeReport) -> String {
    let TreeReport { fs, commit, verdicts, results, .. } = report;
    let mut parts = vec![format!("\nTrees on {fs}: {}, commit {commit}", results.machine.line())];
    for counted in &results.trees {
        parts.push(format!("{}\n{}", title(counted), times(results, counted.tree)));
    }
    parts.push(
        "Whole process, wall clock: median (range) of all rounds, alternating. CPU: user and kernel mode, median. Disk:\n\
         growth of the used space. Memory: highest of the process itself. Everything was read before and written back\n\
         before each command: warm caches."
            .to_owned(),
    );
    parts.push(targets(verdicts).to_string());
    parts.join("\n")
}

fn title(CountedTree { tree, census }: &CountedTree) -> String {
    let megabytes = census.bytes as f64 / 1e6;
    let name = match tree {
        Tree::Large => "large",
        Tree::Small => "small",
        Tree::Tenth => "a tenth of the million",
        Tree::Million => "million",
        Tree::Sparse => "sparse",
    };
    format!("{name}: {} files of {megabytes:.0} MB in all, {} folders", census.files, census.folders)
}

fn times(results: &TreeResults, tree: Tree) -> Table {
    let mut table = new_table(&HEADER);
    for contender in Contender::ALL {
        table.add_row_if(|_, row: &Vec<String>| row.len() > 1, row(results, tree, contender));
    }
    table
}

/// Only the title if the contender took no part.
fn row(results: &TreeResults, tree: Tree, contender: Contender) -> Vec<String> {
    let title = match results.holes_kept(contender) {
        Some(false) if tree == Tree::Sparse => format!("{} (fills holes)", contender.title()),
        _ => contender.title().to_owned(),
    };
    let cells = Verb::ALL.into_iter().filter_map(|verb| {
        let elapsed = results.elapsed(tree, contender, verb)?;
        let ratio = results.ratio(tree, verb, contender, Contender::Ckpt);
        Some([
            seconds(&elapsed),
            ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            format!("{:.2}", results.cpu_us(tree, contender, verb)? as f64 / 1e6),
            format!("{:.1}", results.grown_bytes(tree, contender, verb)? as f64 / 1e6),
            mebibytes(results.peak_memory_bytes(tree, contender, verb)?),
        ])
    });
    [title].into_iter().chain(cells.flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::results;
    use super::*;

    #[test]
    fn a_row_has_times_ratios_space_and_memory() {
        let [pack, unpack] =
            [["2.400", "3.00", "4.80", "0.0", "8.0 MiB"], ["5.000", "2.00", "10.00", "0.0", "8.0 MiB"]];
        let expected = [&["tar"][..], &pack, &unpack].concat();
        assert_eq!(row(&results(), Tree::Small, Contender::GnuTar), expected);
        assert_eq!(row(&results(), Tree::Small, Contender::Cp), ["cp -a --reflink"]);
    }

    #[test]
    fn who_fills_holes_is_named_where_there_are_holes() {
        assert_eq!(row(&results(), Tree::Sparse, Contender::Bsdtar)[0], "bsdtar (fills holes)");
        assert_eq!(row(&results(), Tree::Small, Contender::Bsdtar)[0], "bsdtar");
        assert_eq!(row(&results(), Tree::Sparse, Contender::Ckpt)[0], "ckpt");
    }
}
