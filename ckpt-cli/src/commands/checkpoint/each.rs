//! Checkpoints of several containers, one after the other. One that fails does not stop the others.

use std::fmt;

use anyhow::{Result, bail};
use ckpt_core::checkpoint::{CheckpointError, CheckpointOptions, CheckpointReport, Export, checkpoint};
use ckpt_core::interrupt::Interrupt;

use super::fallback;
use crate::json::pretty;
use crate::messages::{Verbosity, complain, eprint_line, print_text};
use crate::noted::noted;
use crate::podman::{self, CommandLine, FALLBACK_HINT};
use crate::progress::{ProgressLine, Summary};
use crate::statistics::{CheckpointNumbers, Statistics};

/// A container, as it was named and as it is printed at the end.
pub(super) struct Container {
    pub(super) name: String,
    pub(super) printed: String,
}

/// What is done with each container, and what came of it so far.
pub(super) struct Each<'a> {
    /// All but the container, and where its archive goes.
    options: CheckpointOptions,
    /// Where the next archive goes.
    target: &'a dyn Fn() -> Result<Export>,
    /// podman's command line for the same, if podman may do it.
    fallback: Option<CommandLine>,
    /// What `--print-stats` prints.
    statistics: Option<Statistics<CheckpointNumbers>>,
    verbosity: Verbosity,
    exit_status: u8,
}

impl<'a> Each<'a> {
    pub(super) fn new(
        options: CheckpointOptions,
        target: &'a dyn Fn() -> Result<Export>,
        fallback: Option<CommandLine>,
        print_stats: bool,
        verbosity: Verbosity,
    ) -> Self {
        let statistics = print_stats.then(Statistics::of_checkpoints);
        Each { options, target, fallback, statistics, verbosity, exit_status: 0 }
    }

    /// Works on all of them, unless interrupted; gives the exit status.
    pub(super) fn run(mut self, containers: &[Container]) -> u8 {
        for container in containers {
            let done = self.checkpoint(container);
            self.complain_of(done);
            if self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
                break;
            }
        }
        if let Some(statistics) = &self.statistics {
            let printed = pretty(statistics).and_then(|json| self.print(&json));
            self.complain_of(printed);
        }
        self.exit_status
    }

    fn complain_of(&mut self, done: Result<()>) {
        if let Err(error) = done {
            complain(&error);
            self.exit_status = 1;
        }
    }

    fn checkpoint(&mut self, container: &Container) -> Result<()> {
        let options =
            CheckpointOptions { container: container.name.clone(), export: (self.target)()?, ..self.options.clone() };
        self.options.export = options.export.clone();
        let mut progress = ProgressLine::new("checkpoint");
        let done = checkpoint(&options, &mut progress);
        progress.finish();
        match (done, self.fallback.clone()) {
            (Ok(report), _) => self.report(container, &report),
            (Err(error), Some(command)) if error.is_podmans_alone() => {
                self.fall_back(container, command, &options, &error)
            }
            (Err(error), None) if error.is_podmans_alone() => {
                bail!("{:#}: {FALLBACK_HINT}", anyhow::Error::new(error))
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    fn report(&mut self, container: &Container, report: &CheckpointReport) -> Result<()> {
        let frozen = report.observed_frozen.or(report.frozen);
        noted().id = Some(report.id.clone());
        Summary { elapsed: report.elapsed, frozen, moved: report.moved }.print(&container.name, self.verbosity);
        match &mut self.statistics {
            Some(statistics) => {
                statistics.add(&report.podman_stats, report.into());
                Ok(())
            }
            None => self.print(&container.printed),
        }
    }

    fn fall_back(
        &mut self,
        container: &Container,
        command: CommandLine,
        options: &CheckpointOptions,
        why: &CheckpointError,
    ) -> Result<()> {
        let said = fallback::checkpoint(command, options, why)?;
        if !said.status.success() {
            self.exit_status = podman::status(&said);
            return Ok(());
        }
        match (&mut self.statistics, serde_json::from_slice(&said.stdout)) {
            (Some(statistics), Ok(podman)) => {
                statistics.add_podmans(&podman);
                Ok(())
            }
            _ => self.print(&container.printed),
        }
    }

    /// Prints on standard output, unless that is where the archive went.
    fn print(&self, line: &dyn fmt::Display) -> Result<()> {
        match self.options.export {
            Export::Stdout | Export::Pipe(_) => {
                eprint_line(line);
                Ok(())
            }
            _ => print_text(line),
        }
    }
}
