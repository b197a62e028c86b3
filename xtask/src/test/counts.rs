//! What passed, failed and was skipped in one command, and why, read from what test programs print.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::mem;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result};

use super::plan::Runs;

/// How much of a panic's message the summary repeats: `assert_eq!` has three lines.
const MESSAGE_LINES: usize = 3;
const LINE_CHARACTERS: usize = 300;

/// The beginning of a test program's last line.
const RESULT: &str = "test result: ";

/// The results that one command printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) ignored: usize,
    failed_names: Vec<String>,
    /// Whether the lines that come are names of failed tests.
    in_names: bool,
    /// Why tests failed, by their names: the first two lines of each panic.
    reasons: BTreeMap<String, String>,
    /// The test whose output comes, once a line has named it.
    teller: Option<String>,
    /// How many lines of its panic are still to come.
    panic_lines: usize,
}

/// When output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    ByLine,
    /// All of a test program at its end: another command has its output shown meanwhile.
    ByProgram,
}

/// Runs `command`, shows its output, and counts the results in it.
pub(super) fn count(command: &mut Command, shown: Shown) -> Result<(Counts, ExitStatus)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
    let output = child.stdout.take().expect("its output was asked for");
    let counts = echo(BufReader::new(output), &mut io::stdout(), shown)
        .with_context(|| format!("cannot pass on what {name} prints"))?;
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    Ok((counts, status))
}

/// Each piece is written at once, so that nobody else's comes in between.
fn echo(mut input: impl BufRead, output: &mut impl Write, shown: Shown) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut piece = Vec::new();
    loop {
        let start = piece.len();
        let is_end = input.read_until(b'\n', &mut piece)? == 0;
        let line = String::from_utf8_lossy(&piece[start..]);
        counts.read(line.trim_end());
        if is_end || shown == Shown::ByLine || line.starts_with(RESULT) {
            output.write_all(&piece)?;
            output.flush()?;
            piece.clear();
        }
        if is_end {
            return Ok(counts);
        }
    }
}

impl Counts {
    /// Whether at least one test is known to have failed.
    pub(super) fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// How many tests came to an end.
    pub(super) fn finished(&self) -> usize {
        self.passed + self.failed
    }

    pub(super) fn failed_names(&self) -> &[String] {
        &self.failed_names
    }

    /// Takes for passed what failed and did not fail when `again` was run, and gives those, each with its reason.
    pub(super) fn settle(&mut self, again: &Runs, second: &Counts) -> Vec<String> {
        let is_settled = |name: &String| again.has(name) && !second.failed_names.contains(name);
        let (settled, failed): (Vec<_>, _) = mem::take(&mut self.failed_names).into_iter().partition(is_settled);
        self.failed_names = failed;
        self.failed -= settled.len();
        self.passed += settled.len();
        settled.iter().map(|name| self.told(name)).collect()
    }

    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …` ends each program's
    /// output, and before it comes `failures:` with an indented name a line. A
    /// test's own line is no help: what the test prints may divide it.
    fn read(&mut self, line: &str) {
        self.read_reason(line);
        match line.strip_prefix("    ") {
            Some(name) if self.in_names => self.failed_names.push(name.to_owned()),
            _ => self.in_names = line == "failures:",
        }
        let Some((_, numbers)) = line.strip_prefix(RESULT).and_then(|result| result.split_once(". ")) else {
            return;
        };
        for part in numbers.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let count = match what {
                "passed" => &mut self.passed,
                "failed" => &mut self.failed,
                "ignored" => &mut self.ignored,
                _ => continue,
            };
            *count += number.parse().unwrap_or(0);
        }
    }

    /// `---- name stdout ----` comes before what a failed test printed, and there
    /// `thread 'name' (1) panicked at file.rs:1:2:` before the message.
    fn read_reason(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.teller = Some(name.to_owned());
            self.panic_lines = 0;
        }
        let Some(name) = &self.teller else {
            return;
        };
        if let Some((_, place)) = line.split_once(" panicked at ")
            && !self.reasons.contains_key(name)
        {
            self.reasons.insert(name.clone(), place.to_owned());
            self.panic_lines = MESSAGE_LINES;
        } else if self.panic_lines > 0
            && let Some(reason) = self.reasons.get_mut(name)
        {
            self.panic_lines -= 1;
            reason.push(' ');
            reason.extend(line.chars().take(LINE_CHARACTERS));
        }
    }

    /// The failed tests, each with its reason if there is one.
    pub(super) fn failures(&self) -> impl Iterator<Item = String> {
        self.failed_names.iter().map(|name| self.told(name))
    }

    fn told(&self, name: &str) -> String {
        match self.reasons.get(name) {
            Some(reason) => format!("{name}: {}", reason.trim_end()),
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "running 4 tests\n\
        test a ... ok\n\
        test m::b ... FAILED\n\
        test c ... ignored, needs root\n\
        \n\
        failures:\n\
        \n\
        ---- m::b stdout ----\n    indented\n\
        thread 'm::b' (7) panicked at src/m.rs:1:2:\nassertion failed: left == right\n  left: 1\n right: 2\nstack backtrace:\n\
        \n\
        failures:\n    m::b\n\
        \n\
        test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
        \n\
        test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    /// What was written at once, each time.
    #[derive(Default)]
    struct Pieces(Vec<String>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn counts_what_test_programs_print() {
        for shown in [Shown::ByLine, Shown::ByProgram] {
            let mut pieces = Pieces::default();
            let counts = echo(TEXT.as_bytes(), &mut pieces, shown).expect("memory does not fail");
            assert_eq!((counts.passed, counts.failed, counts.ignored), (7, 1, 3));
            assert_eq!(counts.failed_names, ["m::b"]);
            assert_eq!(pieces.0.concat(), TEXT);
        }
    }

    #[test]
    fn a_program_is_shown_as_a_whole_beside_another() {
        let mut pieces = Pieces::default();
        echo(format!("{TEXT}its end").as_bytes(), &mut pieces, Shown::ByProgram).expect("memory does not fail");
        let ends: Vec<_> = pieces.0.iter().map(|piece| piece.trim_end().rsplit('\n').next()).collect();
        assert_eq!(ends.len(), 3);
        assert!(ends[0].is_some_and(|line| line.starts_with("test result: FAILED")), "{ends:?}");
        assert!(ends[1].is_some_and(|line| line.starts_with("test result: ok")), "{ends:?}");
        assert_eq!(ends[2], Some("its end"));
    }

    #[test]
    fn what_passes_the_second_time_is_told_with_its_reason() {
        let read = |text: &str| echo(text.as_bytes(), &mut Vec::new(), Shown::ByLine).expect("memory does not fail");
        let again: Runs = serde_json::from_str(r#"[{"group":"m","program":"m","directory":"m","tests":["m::b"]}]"#)
            .expect("runs of one test");
        let passed = read("test result: ok. 1 passed; 0 failed; 0 ignored\n");
        let mut counts = read(TEXT);
        assert_eq!(counts.settle(&again, &read(TEXT)), [""; 0]);
        assert_eq!(counts.settle(&Runs::default(), &passed), [""; 0]);
        assert_eq!((counts.passed, counts.failed, counts.failures().count()), (7, 1, 1));
        assert!(counts.settle(&again, &passed)[0].starts_with("m::b: src/m.rs:1:2: assertion failed"));
        assert_eq!((counts.passed, counts.failed, counts.failures().count()), (8, 0, 0));
    }

    #[test]
    fn the_summary_says_why() {
        let counts = echo(TEXT.as_bytes(), &mut Vec::new(), Shown::ByLine).expect("memory does not fail");
        let told: Vec<_> = counts.failures().collect();
        assert_eq!(told, ["m::b: src/m.rs:1:2: assertion failed: left == right   left: 1  right: 2"]);
    }
}
