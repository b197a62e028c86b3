//! What passed, failed and was skipped, read from what the test programs print.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

use super::plan::Runs;
use crate::lab::FileSystem;

/// The results that one command printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
    failed_names: Vec<String>,
    /// Whether the lines that come are names of failed tests.
    in_names: bool,
}

/// Runs `command`, shows its output as it comes, and counts the results in it.
pub(super) fn count(command: &mut Command) -> Result<(Counts, ExitStatus)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
    let output = child.stdout.take().expect("its output was asked for");
    let counts = echo(BufReader::new(output), &mut io::stdout().lock())
        .with_context(|| format!("cannot pass on what {name} prints"))?;
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    Ok((counts, status))
}

fn echo(mut input: impl BufRead, output: &mut impl Write) -> io::Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        output.write_all(&line)?;
        output.flush()?;
        counts.read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(counts)
}

impl Counts {
    /// Whether at least one test is known to have failed.
    pub(super) fn has_failures(&self) -> bool {
        self.failed > 0
    }

    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …` ends each program's
    /// output, and before it comes `failures:` with an indented name a line. A
    /// test's own line is no help: what the test prints may divide it.
    fn read(&mut self, line: &str) {
        match line.strip_prefix("    ") {
            Some(name) if self.in_names => self.failed_names.push(name.to_owned()),
            _ => self.in_names = line == "failures:",
        }
        let Some((_, numbers)) = line.strip_prefix("test result: ").and_then(|result| result.split_once(". ")) else {
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
}

/// The results of everything.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    failures: Vec<String>,
    skipped: Vec<String>,
    /// Ignored tests that no program lists: examples in the documentation.
    skipped_examples: usize,
}

impl Tally {
    /// Adds the results of cargo, which ignores the `planned` tests.
    pub(super) fn add(&mut self, counts: Counts, planned: usize) {
        self.passed += counts.passed;
        self.skipped_examples += counts.ignored.saturating_sub(planned);
        self.failures.extend(counts.failed_names);
    }

    /// Adds the results of a lab; a test of `runs` without one has failed.
    pub(super) fn add_all_run(&mut self, counts: Counts, runs: &Runs, fs: FileSystem) {
        let finished = counts.passed + counts.failed;
        self.passed += counts.passed;
        let names = counts.failed_names.iter();
        self.failures.extend(names.map(|name| format!("{name} on {fs}")));
        for _ in finished..runs.names().count() {
            self.fail(format!("a test on {fs} whose program ended early, see above"));
        }
    }

    /// Adds the tests of a lab that could not be made.
    pub(super) fn fail_all(&mut self, runs: &Runs, fs: FileSystem, reason: &str) {
        println!("\nno lab on {fs}: {reason}");
        for name in runs.names() {
            self.fail(format!("{name} on {fs}: did not run, there was no lab"));
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    /// Adds a check of this program's own, told as test programs do.
    pub(super) fn check(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("test {name} ... ok");
                self.passed += 1;
            }
            Err(error) => {
                println!("test {name} ... FAILED: {error:#}");
                self.fail(format!("{name}: {error:#}"));
            }
        }
    }

    pub(super) fn skip(&mut self, names: &[String], reason: &str) {
        self.skipped.extend(names.iter().map(|name| format!("{name}: {reason}")));
    }

    /// Whether there was any test at all.
    pub(super) fn has_results(&self) -> bool {
        self.passed + self.failures.len() + self.skipped.len() + self.skipped_examples > 0
    }

    /// Prints the summary; whether all that ran passed.
    pub(super) fn report(&self) -> ExitCode {
        print_list("SKIPPED, these did not run", &self.skipped);
        print_list("FAILED", &self.failures);
        println!(
            "\n{} passed, {} failed, {} skipped",
            self.passed,
            self.failures.len(),
            self.skipped.len() + self.skipped_examples
        );
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn print_list(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title}:");
    }
    for line in lines {
        println!("    {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_test_programs_print() {
        let text = "running 4 tests\n\
                    test a ... ok\n\
                    test m::b ... FAILED\n\
                    test c ... ignored, needs root\n\
                    \n\
                    failures:\n\
                    \n\
                    ---- m::b stdout ----\n    indented\n\
                    \n\
                    failures:\n    m::b\n\
                    \n\
                    test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    \n\
                    test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let mut shown = Vec::new();
        let counts = echo(text.as_bytes(), &mut shown).expect("memory does not fail");
        let expected =
            Counts { passed: 7, failed: 1, ignored: 3, failed_names: vec!["m::b".to_owned()], in_names: false };
        assert_eq!(counts, expected);
        assert_eq!(shown, text.as_bytes());
    }
}
