//! `ckpt checkpoint`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use ckpt_core::checkpoint::{CheckpointOptions, CheckpointReport, Export, check_memory_tracking, checkpoint};
use ckpt_core::compression::Compression;
use ckpt_core::containers;
use ckpt_core::interrupt::Interrupt;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::statistics::Statistics;
use super::stock::{self, given, valued};
use super::target::CompressionArgument;
use super::{CloneArgument, spool_folder};
use crate::display::{Display, Summary, say};
use crate::signals;

/// Freeze running containers and make archives of them; stops the containers unless told otherwise.
///
/// An archive is podman's own format: `podman container restore -i` and checkpointctl read it. Options have podman's
/// names and meanings. Without -e the checkpoint stays in podman's storage, and podman itself makes it.
///
/// If one of several containers fails, the others are done all the same.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["containers", "all", "latest"]))]
#[command(after_help = super::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Names or IDs of running containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// All running containers, without those that hold a pod's namespaces
    #[arg(short, long)]
    all: bool,
    /// The container made last
    #[arg(short, long)]
    latest: bool,
    /// The archive to make; - for standard output; a folder gets NAME.tar of each container, as it has to be for
    /// several ones and for --all
    #[arg(short, long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Leave the containers running
    #[arg(short = 'R', long)]
    leave_running: bool,
    /// Compression of the archive, which cannot be cloned from then; by default what its name says (.zst, .tzst, .gz,
    /// .tgz), otherwise none
    #[arg(short, long, value_enum, ignore_case = true, requires = "export")]
    compress: Option<CompressionArgument>,
    /// Leave the container's changed files out
    #[arg(long, requires = "export")]
    ignore_rootfs: bool,
    /// Leave the files of named volumes out
    #[arg(long, requires = "export")]
    ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// If something fails after the dump, leave the container stopped; else it is restored in place
    #[arg(long)]
    keep_stopped: bool,
    /// Checkpoint established TCP connections as well
    #[arg(long)]
    tcp_established: bool,
    /// Checkpoint file locks as well
    #[arg(long)]
    file_locks: bool,
    /// Dump memory alone and leave the container running, for a --with-previous later (podman itself does it)
    #[arg(short = 'P', long, conflicts_with = "with_previous")]
    pre_checkpoint: bool,
    /// Dump only the memory that changed since --pre-checkpoint
    #[arg(long)]
    with_previous: bool,
    /// Make a checkpoint image of this name (podman itself does it)
    #[arg(long, value_name = "IMAGE")]
    create_image: Option<String>,
    /// Print statistics as podman's JSON, with our own for each container under "ckpt"
    #[arg(long)]
    print_stats: bool,
    /// Let podman itself do it where nothing can be cloned: with another storage driver than overlay, or remotely
    #[arg(long)]
    fallback: bool,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    if arguments.pre_checkpoint {
        check_memory_tracking()?;
    }
    if let Some(why) = arguments.podmans_part() {
        return stock::hand_over(why, &arguments.all_for_podman()?, &interrupt);
    }
    let export = arguments.export()?;
    let mut job = Job { arguments, export, interrupt, statistics: Statistics::of_checkpoints(), status: 0 };
    for container in arguments.named()? {
        job.run(&container);
        if job.interrupt.is_raised() {
            break;
        }
    }
    if arguments.print_stats {
        job.say(&job.statistics);
    }
    Ok(job.status.into())
}

/// A container, as it was named and as it is printed at the end.
struct Named {
    name: String,
    printed: String,
}

impl Arguments {
    /// Why podman does all of it, if so.
    fn podmans_part(&self) -> Option<&'static str> {
        match self {
            Arguments { create_image: Some(_), .. } => Some("a checkpoint image is no file to clone into"),
            Arguments { pre_checkpoint: true, .. } => Some("a pre-checkpoint is memory, and no files to clone"),
            Arguments { export: None, .. } => Some("without -e there is no archive to clone into"),
            _ => None,
        }
    }

    fn export(&self) -> Result<Export> {
        let path = self.export.clone().unwrap_or_default();
        let is_one = self.latest || self.containers.len() == 1;
        if path == Path::new("-") {
            ensure!(is_one, "standard output takes the archive of one container: name a folder, -e DIR/");
            ensure!(!stdout().is_terminal(), "an archive is nothing for a terminal: redirect standard output");
            return Ok(Export::Stdout);
        }
        if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
            return Ok(Export::Folder(path));
        }
        let shown = path.display();
        ensure!(is_one, "{shown} is no folder: the archives of several containers go into one, -e DIR/");
        Ok(Export::File(path))
    }

    fn compression(&self) -> Compression {
        let by_name = || self.export.as_deref().map_or(Compression::None, Compression::of_name);
        self.compress.map_or_else(by_name, Compression::from)
    }

    /// The containers to work on; podman prints the IDs of those that it found itself.
    fn named(&self) -> Result<Vec<Named>> {
        let listed = match (self.all, self.latest) {
            (true, _) => containers::running()?,
            (_, true) => vec![containers::latest()?],
            _ => {
                let named = |name: &String| Named { name: name.clone(), printed: name.clone() };
                return Ok(self.containers.iter().map(named).collect());
            }
        };
        Ok(listed.into_iter().map(|listed| Named { name: listed.name, printed: listed.id }).collect())
    }

    /// podman's command line, without the archive and the containers.
    fn for_podman(&self) -> Vec<OsString> {
        let options = given(&[
            (self.leave_running, "--leave-running"),
            (self.ignore_rootfs, "--ignore-rootfs"),
            (self.ignore_volumes, "--ignore-volumes"),
            (self.keep, "--keep"),
            (self.tcp_established, "--tcp-established"),
            (self.file_locks, "--file-locks"),
            (self.pre_checkpoint, "--pre-checkpoint"),
            (self.with_previous, "--with-previous"),
            (self.print_stats, "--print-stats"),
        ]);
        let image = self.create_image.iter().map(|image| valued("create-image", image));
        ["container".into(), "checkpoint".into()].into_iter().chain(options).chain(image).collect()
    }

    fn all_for_podman(&self) -> Result<Vec<OsString>> {
        let mut arguments = self.for_podman();
        if let Some(path) = &self.export {
            ensure!(path != Path::new("-"), "podman makes this archive, and no stream of it: name a file");
            arguments.extend(self.to_file(path));
        }
        arguments.extend(given(&[(self.all, "--all"), (self.latest, "--latest")]));
        arguments.push("--".into());
        arguments.extend(self.containers.iter().map(OsString::from));
        Ok(arguments)
    }

    /// podman's default is another compression than ours.
    fn to_file(&self, path: &Path) -> [OsString; 2] {
        let compression = match self.compression() {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        [valued("compress", compression), valued("export", path)]
    }
}

/// One container after the other.
struct Job<'j> {
    arguments: &'j Arguments,
    export: Export,
    interrupt: Interrupt,
    statistics: Statistics,
    /// The exit status so far.
    status: u8,
}

impl Job<'_> {
    fn run(&mut self, container: &Named) {
        if let Err(error) = self.checkpoint(container) {
            eprintln!("Error: {error:#}");
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
                Summary { elapsed: report.elapsed, frozen, moved: report.moved }.print(&container.name);
                self.statistics.add(&report.podman_stats, &ours(&report));
            }
            Err(error) if error.is_podmans_alone() && self.arguments.fallback => {
                return self.fall_back(container, &error);
            }
            Err(error) if error.is_podmans_alone() => bail!("{:#}: {}", anyhow::Error::new(error), super::HINT),
            Err(error) => return Err(error.into()),
        }
        if !self.arguments.print_stats {
            self.say(&container.printed);
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
            clone_policy: arguments.clone.policy(),
            interrupt: Some(self.interrupt.clone()),
        }
    }

    fn fall_back(&mut self, container: &Named, why: &dyn std::error::Error) -> Result<()> {
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
            _ => self.say(&container.printed),
        }
        Ok(())
    }

    /// Prints on stdout, unless that is where the archive went.
    fn say(&self, line: &dyn std::fmt::Display) {
        match self.export {
            Export::Stdout => eprintln!("{line}"),
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
        "capture_cloned_bytes": report.capture_moved.cloned_bytes,
        "capture_copied_bytes": report.capture_moved.copied_bytes,
        "members": report.members,
        "cloned_bytes": report.moved.cloned_bytes,
        "copied_bytes": report.moved.copied_bytes,
        "hole_bytes": report.moved.hole_bytes,
        "clone_calls": report.moved.clone_calls,
    })
}
