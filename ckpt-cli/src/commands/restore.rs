//! `ckpt restore`.

use std::ffi::OsString;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use ckpt_core::interrupt::Interrupt;
use ckpt_core::restore::{Import, RestoreError, RestoreOptions, RestoreReport, import_file, restore};
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::statistics::Statistics;
use super::stock::{self, given, valued};
use super::{CloneArgument, spool_folder};
use crate::display::{Display, Summary, Verbosity, say};
use crate::signals;

/// Make a running container of an archive, ours or podman's own, compressed or not.
///
/// Options have podman's names and meanings. Without -i, containers that were checkpointed in place come back there, or
/// checkpoint images become containers, and podman itself does it.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["import", "containers", "all", "latest"]))]
#[command(after_help = super::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Checkpointed containers to restore in place, or checkpoint images (podman itself does it)
    #[arg(value_name = "CONTAINER|IMAGE")]
    containers: Vec<String>,
    /// All checkpointed containers, in place (podman itself does it)
    #[arg(short, long)]
    all: bool,
    /// The container made last, in place (podman itself does it)
    #[arg(short, long)]
    latest: bool,
    /// The archive; - for standard input; a FIFO, a pipe too, is read to its end first
    #[arg(short, long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// The archive of the pre-checkpoint that --with-previous built on
    #[arg(long, value_name = "FILE")]
    import_previous: Option<PathBuf>,
    /// A name for the container, which gets an ID of its own then; else it gets its name, ID, IP and MAC back
    #[arg(short, long)]
    name: Option<String>,
    /// Do not apply the container's changed files
    #[arg(long)]
    ignore_rootfs: bool,
    /// Do not restore the files of named volumes
    #[arg(long)]
    ignore_volumes: bool,
    /// Do not ask for the same IP address
    #[arg(long)]
    ignore_static_ip: bool,
    /// Do not ask for the same MAC address
    #[arg(long)]
    ignore_static_mac: bool,
    /// Restore established TCP connections
    #[arg(long, conflicts_with_all = ["name", "tcp_close"])]
    tcp_established: bool,
    /// Restore established TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,
    /// Restore file locks
    #[arg(long)]
    file_locks: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// The pod to restore into
    #[arg(long)]
    pod: Option<String>,
    /// Publish a port, as `podman run -p` does
    #[arg(short, long)]
    publish: Vec<String>,
    /// Restore an archive that is neither root's nor yours, or that others may write
    #[arg(long)]
    trust: bool,
    /// Take the image that has the recorded name here, though its ID is another: changed files go over its files
    #[arg(long)]
    allow_image_mismatch: bool,
    /// Print statistics as podman's JSON, with our own for each container under "ckpt"
    #[arg(long)]
    print_stats: bool,
    /// Let podman itself do it where nothing can be cloned: with another storage driver than overlay, or remotely
    #[arg(long)]
    fallback: bool,
    /// Go on with a podman of a version that was never tried
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    let Some(import) = arguments.import()? else {
        let why = "without -i there is no archive to clone from";
        return stock::hand_over(why, &arguments.in_place(), &interrupt, verbosity);
    };
    let options = arguments.options(import, &interrupt);
    let mut display = Display::new("restore");
    let done = restore(&options, &mut display);
    display.finish();
    match done {
        Ok(report) => arguments.tell(&options, &report, verbosity)?,
        Err(error) if error.is_podmans_alone() && arguments.fallback => {
            return fall_back(arguments, &options, &error);
        }
        Err(error) if error.is_podmans_alone() => bail!("{:#}: {}", anyhow::Error::new(error), super::HINT),
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn import(&self) -> Result<Option<Import>> {
        Ok(match &self.import {
            Some(path) if path == Path::new("-") => {
                let is_terminal = stdin().is_terminal();
                ensure!(!is_terminal, "an archive is expected on standard input: redirect it, or name a file");
                Some(Import::Stdin)
            }
            Some(path) => Some(Import::File(path.clone())),
            None => None,
        })
    }

    fn options(&self, import: Import, interrupt: &Interrupt) -> RestoreOptions {
        RestoreOptions {
            import,
            import_previous: self.import_previous.clone(),
            name: self.name.clone(),
            ignore_rootfs: self.ignore_rootfs,
            ignore_volumes: self.ignore_volumes,
            ignore_static_ip: self.ignore_static_ip,
            ignore_static_mac: self.ignore_static_mac,
            tcp_established: self.tcp_established,
            tcp_close: self.tcp_close,
            file_locks: self.file_locks,
            keep: self.keep,
            pod: self.pod.clone(),
            publish: self.publish.clone(),
            trust: self.trust,
            allow_image_mismatch: self.allow_image_mismatch,
            force: self.force,
            clone_policy: self.clone.policy(),
            interrupt: Some(interrupt.clone()),
        }
    }

    fn tell(&self, options: &RestoreOptions, report: &RestoreReport, verbosity: Verbosity) -> Result<()> {
        let summary = Summary { elapsed: report.elapsed, frozen: None, moved: report.moved };
        summary.print(&options.import.name().to_string_lossy(), verbosity);
        if self.print_stats {
            let mut statistics = Statistics::of_restores();
            statistics.add(&report.podman_stats, &ours(report));
            return say(statistics);
        }
        say(&report.id)
    }

    /// podman's command line, without the archive and the containers.
    fn for_podman(&self) -> Vec<OsString> {
        let options = given(&[
            (self.ignore_rootfs, "--ignore-rootfs"),
            (self.ignore_volumes, "--ignore-volumes"),
            (self.ignore_static_ip, "--ignore-static-ip"),
            (self.ignore_static_mac, "--ignore-static-mac"),
            (self.tcp_established, "--tcp-established"),
            (self.tcp_close, "--tcp-close"),
            (self.file_locks, "--file-locks"),
            (self.keep, "--keep"),
            (self.print_stats, "--print-stats"),
        ]);
        let previous = self.import_previous.iter().map(|path| valued("import-previous", path));
        let name = self.name.iter().map(|name| valued("name", name));
        let pod = self.pod.iter().map(|pod| valued("pod", pod));
        let ports = self.publish.iter().map(|port| valued("publish", port));
        let verb = ["container".into(), "restore".into()].into_iter();
        verb.chain(options).chain(previous).chain(name).chain(pod).chain(ports).collect()
    }

    fn in_place(&self) -> Vec<OsString> {
        let mut arguments = self.for_podman();
        arguments.extend(given(&[(self.all, "--all"), (self.latest, "--latest")]));
        arguments.push("--".into());
        arguments.extend(self.containers.iter().map(OsString::from));
        arguments
    }
}

/// podman opens the archive three times, so that a stream has to become a file first.
fn fall_back(arguments: &Arguments, options: &RestoreOptions, why: &RestoreError) -> Result<ExitCode> {
    let archive = import_file(options, &spool_folder())?;
    let mut command = arguments.for_podman();
    command.push(valued("import", stock::path_of(&archive)));
    let said = stock::fall_back(why, &command, options.interrupt.as_ref())?;
    if !said.stdout.is_empty() {
        say(String::from_utf8_lossy(&said.stdout).trim_end())?;
    }
    Ok(stock::status(&said).into())
}

fn ours(report: &RestoreReport) -> Value {
    json!({
        "elapsed_us": report.elapsed.as_micros() as u64,
        "place_us": report.place.as_micros() as u64,
        "cloned_bytes": report.moved.cloned_bytes,
        "copied_bytes": report.moved.copied_bytes,
        "hole_bytes": report.moved.hole_bytes,
        "clone_calls": report.moved.clone_calls,
    })
}
