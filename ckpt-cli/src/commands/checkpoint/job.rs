//! Checkpoints of several containers, one after the other: one that fails does not stop the others.

use std::error::Error;
use std::fs::File;
use std::io::{self, stdout};
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use ckpt_core::checkpoint::{CheckpointOptions, CheckpointReport, Export, check_cgroup, checkpoint};
use ckpt_core::containers;
use ckpt_core::interrupt::Interrupt;
use serde_json::{Value, json};

use super::super::statistics::Statistics;
use super::super::{HINT, spool_folder, stock};
use super::Arguments;
use crate::display::{Display, Summary, Verbosity, complain, say, tell};

/// A container, as it was named and as it is printed at the end.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) printed: String,
}

/// One container after the other.
pub(super) struct Job<'j> {
    arguments: &'j Arguments,
    export: Export,
    interrupt: Interrupt,
    verbosity: Verbosity,
    statistics: Statistics,
    /// The exit status so far.
    status: u8,
}

impl<'j> Job<'j> {
    pub(super) fn new(arguments: &'j Arguments, export: Export, interrupt: Interrupt, verbosity: Verbosity) -> Self {
        Job { arguments, export, interrupt, verbosity, statistics: Statistics::of_checkpoints(), status: 0 }
    }

    /// Works on all of them, unless interrupted; gives the exit status.
    pub(super) fn run(mut self, containers: &[Named]) -> u8 {
        for container in containers {
            let done = self.checkpoint(container);
            self.note(done);
            if self.interrupt.is_raised() {
                break;
            }
        }
        if self.arguments.print_stats {
            let said = self.say(&self.statistics);
            self.note(said);
        }
        self.status
    }

    fn note(&mut self, done: Result<()>) {
        if let Err(error) = done {
            complain(&error);
            self.status = 1;
        }
    }

    fn checkpoint(&mut self, container: &Named) -> Result<()> {
        let options = self.options(&container.name);
        let mut display = Display::new("checkpoint");
        let done = checkpoint(&options, &mut display);
        display.finish();
        match done {
            Ok(report) => {
                let frozen = report.observed_frozen.or(report.frozen);
                Summary { elapsed: report.elapsed, frozen, moved: report.moved }.print(&container.name, self.verbosity);
                self.statistics.add(&report.podman_stats, &ours(&report));
            }
            Err(error) if error.is_podmans_alone() && self.arguments.fallback => {
                return self.fall_back(container, &error);
            }
            Err(error) if error.is_podmans_alone() => bail!("{:#}: {}", anyhow::Error::new(error), HINT),
            Err(error) => return Err(error.into()),
        }
        if !self.arguments.print_stats {
            self.say(&container.printed)?;
        }
        Ok(())
    }

    fn options(&self, container: &str) -> CheckpointOptions {
        let arguments = self.arguments;
        CheckpointOptions {
            container: container.to_owned(),
            export: self.export.clone(),
            leave_running: arguments.leave_running,
            compress: arguments.compression(),
            ignore_rootfs: arguments.ignore_rootfs,
            ignore_volumes: arguments.ignore_volumes,
            keep: arguments.keep,
            keep_stopped: arguments.keep_stopped,
            tcp_established: arguments.tcp_established,
            file_locks: arguments.file_locks,
            with_previous: arguments.with_previous,
            force: arguments.force,
            clone_policy: arguments.clone.policy(),
            interrupt: Some(self.interrupt.clone()),
        }
    }

    fn fall_back(&mut self, container: &Named, why: &dyn Error) -> Result<()> {
        check_cgroup(&container.name)?;
        let spool = spool_folder();
        let nameless =
            tempfile::tempfile_in(&spool).with_context(|| format!("create a file in {}", spool.display()))?;
        let path = match &self.export {
            Export::File(path) => path.clone(),
            Export::Folder(folder) => {
                let name = containers::named(&container.name)?.name;
                folder.join(format!("{name}.tar{}", self.arguments.compression().ending()))
            }
            Export::Stdout => stock::path_of(&nameless),
        };
        let mut arguments = self.arguments.for_podman();
        arguments.extend(self.arguments.to_file(&path));
        arguments.extend(["--".into(), (&container.name).into()]);
        let said = stock::fall_back(why, &arguments, Some(&self.interrupt))?;
        if !said.status.success() {
            self.status = stock::status(&said);
            return Ok(());
        }
        if self.export == Export::Stdout {
            send(&nameless).with_context(|| sent_nowhere(&container.name))?;
        }
        match serde_json::from_slice::<Value>(&said.stdout) {
            Ok(podman) if self.arguments.print_stats => self.statistics.add_podmans(&podman),
            _ => self.say(&container.printed)?,
        }
        Ok(())
    }

    /// Prints on stdout, unless that is where the archive went.
    fn say(&self, line: &dyn std::fmt::Display) -> Result<()> {
        match self.export {
            Export::Stdout => {
                tell(line);
                Ok(())
            }
            _ => say(line),
        }
    }
}

fn send(archive: &File) -> io::Result<()> {
    let stdout = stdout().as_fd().try_clone_to_owned()?;
    io::copy(&mut File::open(stock::path_of(archive))?, &mut File::from(stdout)).map(drop)
}

fn sent_nowhere(name: &str) -> String {
    format!(
        "write the archive of {name:?} to standard output; podman has stopped the container, unless told otherwise, and \
         `podman container restore {name}` brings it back"
    )
}

fn ours(report: &CheckpointReport) -> Value {
    json!({
        "elapsed_us": report.elapsed.as_micros() as u64,
        "frozen_us": report.frozen.map(|frozen| frozen.as_micros() as u64),
        "observed_frozen_us": report.observed_frozen.map(|frozen| frozen.as_micros() as u64),
        "capture_us": report.capture.as_micros() as u64,
        "expected_capture_us": report.expected_capture.as_micros() as u64,
        "capture_cloned_bytes": report.capture_moved.cloned_bytes,
        "capture_copied_bytes": report.capture_moved.copied_bytes,
        "members": report.members,
        "cloned_bytes": report.moved.cloned_bytes,
        "copied_bytes": report.moved.copied_bytes,
        "hole_bytes": report.moved.hole_bytes,
        "clone_calls": report.moved.clone_calls,
    })
}
