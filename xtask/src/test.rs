//! `cargo xtask test`: every test of the workspace, those that need root in the lab.
//!
//! ```text
//! cargo test --workspace          what runs anywhere, doc tests included
//! every fuzz target               some thousand inputs, see `fuzz`
//! every program --ignored --list  what needs the lab, see `plan`; without --long, not what takes long
//! a lab for each file system       runs those, new file systems each time, two at once: see `labs`
//! ```
//!
//! Without root the second half is listed by name and skipped; as root, what
//! cannot run has failed.

mod counts;
mod host;
mod inside;
mod labs;
mod plan;
mod programs;
mod tally;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cargo::{self, Workspace};
use crate::dist;
use crate::fuzz::{self, Fuzzer};
use crate::lab;
use crate::page;
use counts::Shown;
pub(crate) use inside::run_inside;
use plan::Plan;
pub(crate) use plan::Runs;
use tally::Tally;

const TAKES_LONG: &str = "takes long: run `cargo xtask test --long`";

type Check = fn(&Workspace) -> Result<()>;

/// Not in the lab, which has neither a compiler nor a browser.
const LONG_CHECKS: [(&str, Check); 2] = [
    ("dist::long_the_source_archive_builds_without_a_network", dist::check_source),
    ("page::long_the_page_of_inspect_draws_in_a_browser_and_asks_nobody", page::check),
];

#[derive(Args, Default)]
pub(crate) struct TestOptions {
    /// Run only tests whose name contains this
    filter: Option<String>,
    /// Run also those tests that take minutes each, whose names begin with `long_`
    #[arg(long)]
    long: bool,
}

pub(crate) fn run(options: &TestOptions) -> Result<ExitCode> {
    let filter = options.filter.as_deref();
    let workspace = Workspace::locate()?;
    let programs = programs::build(&workspace)?;
    let tests = programs::ignored_tests(&programs, filter)?;
    let (long, short): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| test.is_long() && !options.long);
    let (left_out, plan) = (Plan::new(long), Plan::new(short));
    let mut tally = Tally::default();
    unprivileged(&workspace, filter, plan.len() + left_out.len(), &mut tally)?;
    tally.skip(left_out.names(), TAKES_LONG);
    fuzz_shortly(&workspace, filter, &mut tally);
    check_long(&workspace, options, &mut tally);
    if lab::is_root() {
        privileged(&plan, filter, &mut tally);
    } else {
        tally.skip(plan.names(), "needs root: run `cargo xtask test` as root");
    }
    ensure!(tally.has_results(), "no test has a name with {}", filter.unwrap_or_default());
    Ok(tally.report())
}

fn unprivileged(workspace: &Workspace, filter: Option<&str>, ignored: usize, tally: &mut Tally) -> Result<()> {
    let mut command = cargo::command();
    command.args(["test", "--workspace", "--no-fail-fast"]).args(filter).current_dir(&workspace.root);
    let (counts, status) = counts::count(&mut command, Shown::ByLine)?;
    let failed_without_test = !status.success() && !counts.has_failures();
    tally.add(counts, ignored);
    if failed_without_test {
        tally.fail(format!("cargo test: {status}"));
    }
    Ok(())
}

/// Each target tries the same inputs every time, so that a failure is the change's.
fn fuzz_shortly(workspace: &Workspace, filter: Option<&str>, tally: &mut Tally) {
    if fuzz::selected(filter).next().is_none() {
        return;
    }
    let fuzzer = match Fuzzer::build(workspace) {
        Ok(fuzzer) => fuzzer,
        Err(error) => return tally.check("fuzz", Err(error)),
    };
    for (name, target, inputs) in fuzz::selected(filter) {
        tally.check(&name, fuzzer.run(target, &fuzz::Run::Short { inputs }));
    }
}

fn check_long(workspace: &Workspace, options: &TestOptions, tally: &mut Tally) {
    let is_meant = |name: &str| options.filter.as_deref().is_none_or(|filter| name.contains(filter));
    for (name, check) in LONG_CHECKS.into_iter().filter(|(name, _)| is_meant(name)) {
        match options.long {
            true => tally.check(name, check(workspace)),
            false => tally.skip(&[name.to_owned()], TAKES_LONG),
        }
    }
}

fn privileged(plan: &Plan, filter: Option<&str>, tally: &mut Tally) {
    let checks = host::Checks::select(filter);
    if plan.len() == 0 && checks.is_empty() {
        return;
    }
    let before = host::Traces::read();
    checks.killed_lab(&before, tally);
    labs::run(plan, tally);
    checks.nothing_left(&before, tally);
}
