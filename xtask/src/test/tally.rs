//! The results of all that ran, and the summary at the end.

use std::process::ExitCode;

use anyhow::Result;

use super::counts::Counts;
use super::plan::Runs;
use crate::lab::FileSystem;

/// The results of everything.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    failures: Vec<String>,
    /// What failed and then passed, counted as passed.
    unsteady: Vec<String>,
    skipped: Vec<String>,
    /// Ignored tests that no program lists: examples in the documentation.
    skipped_examples: usize,
}

impl Tally {
    /// Adds the results of cargo, which ignores the `planned` tests.
    pub(super) fn add(&mut self, counts: Counts, planned: usize) {
        self.passed += counts.passed;
        self.skipped_examples += counts.ignored.saturating_sub(planned);
        self.failures.extend(counts.failures());
    }

    /// Adds the results of a lab; a test of `runs` without one has failed.
    pub(super) fn add_all_run(&mut self, counts: Counts, runs: &Runs, fs: FileSystem) {
        let finished = counts.finished();
        self.passed += counts.passed;
        self.failures.extend(counts.failures().map(|failure| format!("on {fs}: {failure}")));
        for _ in finished..runs.len() {
            self.fail(format!("a test on {fs} whose program ended early, see above"));
        }
    }

    /// Adds what failed and then passed, besides the other results of its lab.
    pub(super) fn add_unsteady(&mut self, tests: Vec<String>, fs: FileSystem) {
        self.unsteady.extend(tests.into_iter().map(|test| format!("on {fs}: {test}")));
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
        print_list("UNSTEADY, these failed, and passed in a new lab", &self.unsteady);
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
