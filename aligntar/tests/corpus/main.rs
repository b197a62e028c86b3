//! Odd archives, and that each reader says of them what the table has.

mod archive;
mod cases;
mod document;
mod one_answer;
mod python;
mod readers;
mod suites;
mod verdicts;
mod verdicts_of_python;
mod verdicts_of_suites;

use std::fs;
use std::path::Path;

use cases::Case;
use readers::NAMES;
use verdicts::{SAME, Verdict};

impl Verdict {
    /// The lines of all readers.
    fn lines(&self) -> [&str; 5] {
        let peer = |at: usize| if self.peers[at] == SAME { self.ours } else { self.peers[at] };
        [self.ours, peer(0), peer(1), peer(2), peer(3)]
    }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    cases::CASES.iter().chain(suites::CASES).chain(python::CASES)
}

fn verdicts() -> impl Iterator<Item = &'static Verdict> {
    verdicts::VERDICTS.iter().chain(verdicts_of_suites::VERDICTS).chain(verdicts_of_python::VERDICTS)
}

/// Calls `check` with each case in a file, and its verdict.
fn each_case(mut check: impl FnMut(&Path, &Verdict)) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("x.tar");
    assert_eq!(cases().count(), verdicts().count());
    for (case, verdict) in cases().zip(verdicts()) {
        assert_eq!(case.name, verdict.case, "cases and verdicts are in one order");
        fs::write(&path, (case.archive)()).unwrap();
        check(&path, verdict);
    }
}

#[test]
fn ours_is_as_the_table_says() {
    each_case(|path, verdict| assert_eq!(readers::ours(path), verdict.ours, "{}", verdict.case));
}

/// Those of the lab: GNU tar 1.35, bsdtar 3.7.4, Python 3.13, busybox 1.37.
#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_other_readers_are_as_the_table_says() {
    let mut wrong = Vec::new();
    each_case(|path, verdict| {
        let found = readers::listings(path);
        let differ = NAMES.iter().zip(found).zip(verdict.lines()).filter(|((_, found), told)| found != told);
        wrong.extend(
            differ.map(|((name, found), told)| {
                format!("{}: {name} says {found:?}, the table has {told:?}", verdict.case)
            }),
        );
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_document_shows_the_table() {
    let rendered = document::render(verdicts());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/readers.md");
    if fs::read_to_string(&path).unwrap_or_default() != rendered {
        let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readers.md");
        fs::write(&made, rendered).unwrap();
        panic!("{} does not show the table: what does is in {}", path.display(), made.display());
    }
}

#[test]
fn differences_have_reasons() {
    for verdict in verdicts() {
        let differs = verdict.peers.iter().any(|&peer| peer != SAME);
        assert_eq!(differs, !verdict.why.is_empty(), "{}", verdict.case);
    }
}
