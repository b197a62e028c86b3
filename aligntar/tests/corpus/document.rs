//! The table as Markdown.

use crate::verdicts::{SAME, Verdict};

const HEAD: &str = "\
# What readers make of odd archives

Made from the verdicts in `tests/corpus`, whose rows the tests there hold against the readers themselves: GNU tar 1.35,
bsdtar 3.7.4 (libarchive), Python 3.13's tarfile and busybox 1.37, each listing an archive that is made by code. The
kinds are those of the field, and those that the test suites of libarchive, Go, tar-rs, node-tar, Commons Compress
and Python have.

`a:3` is a file of three bytes, `d/` a directory, `s -> t` a symbolic link, `h => t` a hard link, `n%` a device, `n?`
something else, `n*120` a letter 120 times. `!` means that the reader failed there, `=` that it lists the same as aligntar.

| archive | aligntar | GNU tar | bsdtar | Python | busybox | why |
|---|---|---|---|---|---|---|
";

pub(crate) fn render(verdicts: impl Iterator<Item = &'static Verdict>) -> String {
    let mut text = HEAD.to_owned();
    for Verdict { case, ours, peers, why } in verdicts {
        let [gnu, bsdtar, python, busybox] = peers.map(cell);
        text.push_str(&format!("| {case} | {} | {gnu} | {bsdtar} | {python} | {busybox} | {why} |\n", cell(ours)));
    }
    text
}

fn cell(line: &str) -> String {
    match line {
        SAME => SAME.to_owned(),
        "" => "nothing".to_owned(),
        line => format!("`{line}`"),
    }
}
