//! `ckpt checkpoint`.

mod each;
mod fallback;
#[cfg(feature = "images")]
mod image;

use std::io::{IsTerminal, stdout};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use ckpt_core::checkpoint::{CheckpointOptions, Export, check_cgroup, check_memory_tracking};
use ckpt_core::compression::Compression;
use ckpt_core::containers;
use ckpt_core::interrupt::Interrupt;
#[cfg(feature = "serve")]
use ckpt_serve::MOST_DESCRIPTORS;
use clap::{ArgGroup, Args};

use crate::arguments::{CompressionArgument, RecipientArgument, ReflinkArgument};
use crate::files::Files;
#[cfg(feature = "serve")]
use crate::lending::Lending;
use crate::messages::Verbosity;
use crate::podman::{self, CommandLine};
use crate::signals;
use each::{Container, Each};

/// Save running containers to archives, and stop them
///
/// Archives have podman's own format: `podman container restore -i` and checkpointctl read them. Options have podman's
/// names and meanings.
///
/// Without -e, podman itself makes the checkpoint and keeps it in its storage. If one of several containers fails, the
/// others are still saved.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["containers", "all", "latest"]))]
#[command(after_help = podman::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Names or IDs of running containers
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// All running containers, except those that only hold the namespaces of a pod
    #[arg(short, long)]
    all: bool,
    /// The container that was made last
    #[arg(short, long)]
    latest: bool,
    /// Write the archive to this file; - is standard output. Into a folder, write NAME.tar for each container: several
    /// containers and --all need that
    #[arg(short, long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Leave the containers running
    #[arg(short = 'R', long)]
    leave_running: bool,
    /// Compress the archive: nothing can be cloned from it then. By default as its name says (.zst, .tzst, .gz, .tgz),
    /// otherwise not at all
    #[arg(short, long, value_enum, ignore_case = true, requires = "export")]
    compress: Option<CompressionArgument>,
    #[command(flatten)]
    recipient: RecipientArgument,
    /// Leave out the files that the container changed
    #[arg(long, requires = "export")]
    ignore_rootfs: bool,
    /// Leave out the files of named volumes
    #[arg(long, requires = "export")]
    ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// Leave the container stopped if something fails after the dump, instead of restoring it in place
    #[arg(long)]
    keep_stopped: bool,
    /// Save established TCP connections as well
    #[arg(long)]
    tcp_established: bool,
    /// Save file locks as well
    #[arg(long)]
    file_locks: bool,
    /// Save only memory and leave the container running, for --with-previous later (podman itself does it)
    #[arg(short = 'P', long, conflicts_with = "with_previous")]
    pre_checkpoint: bool,
    /// Save only the memory that changed since --pre-checkpoint
    #[arg(long)]
    with_previous: bool,
    /// Make a checkpoint image of this name in podman's storage (of several containers, podman itself does it)
    #[arg(long, value_name = "IMAGE")]
    create_image: Option<String>,
    /// Print podman's statistics as JSON, with those of ckpt under "ckpt" in each container
    #[arg(long)]
    print_stats: bool,
    /// Let podman itself do the work where nothing can be cloned: with other storage drivers than overlay, or remotely
    #[arg(long)]
    fallback: bool,
    /// Go on with a version of podman that was never tried
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    reflink: ReflinkArgument,
    /// Copy what cannot be cloned up to N times before the freeze, so that only what has changed since is copied in it;
    /// with 0, all of it is. By default up to 5 times, while each time at most half as much is left to copy as before
    #[arg(long, value_name = "N", requires = "export")]
    passes: Option<u32>,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity, files: &Files) -> Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    if arguments.pre_checkpoint {
        check_memory_tracking(Some(&interrupt))?;
    }
    #[cfg(feature = "images")]
    if let Some(name) = arguments.image_of_one()
        && let Some(container) = arguments.containers(&interrupt)?.first()
    {
        return image::create(container, name, &arguments.options(interrupt), arguments.print_stats, verbosity);
    }
    if let Some(why) = arguments.why_podman_alone() {
        for container in arguments.containers(&interrupt)? {
            check_cgroup(&container.name, Some(&interrupt))?;
        }
        ensure!(
            arguments.export.is_none() || !files.are_lent(),
            "podman itself makes this archive, which a service has it do for nobody"
        );
        return podman::hand_over(why, &arguments.for_podman_alone()?, &interrupt, verbosity);
    }
    let containers = arguments.containers(&interrupt)?;
    let fallback = arguments.fallback.then(|| arguments.for_podman());
    // What was lent is one file for each container.
    let own = if files.are_lent() { None } else { Some(arguments.export()?) };
    let path = arguments.export.as_deref().unwrap_or(Path::new(""));
    let target = || own.clone().map_or_else(|| files.export(path), Ok);
    let options = arguments.recipient.tell(arguments.options(interrupt), arguments.export.as_deref())?;
    let each = Each::new(options, &target, fallback, arguments.print_stats, verbosity);
    Ok(each.run(&containers).into())
}

impl Arguments {
    /// The image that is to be made of a container.
    #[cfg(feature = "images")]
    fn image_of_one(&self) -> Option<&str> {
        let is_one = self.latest || self.containers.len() == 1;
        let is_plain = self.export.is_none() && !self.pre_checkpoint && !self.with_previous && !self.fallback;
        self.create_image.as_deref().filter(|_| is_one && is_plain)
    }

    /// Why podman does all of it, if so.
    fn why_podman_alone(&self) -> Option<&'static str> {
        match self {
            Arguments { create_image: Some(_), .. } => Some("a checkpoint image is no file to clone into"),
            Arguments { pre_checkpoint: true, .. } => Some("a pre-checkpoint is memory, and no files to clone"),
            Arguments { export: None, .. } => Some("without -e there is no archive to clone into"),
            _ => None,
        }
    }

    /// What is asked of each container, whose name is still to be filled in.
    fn options(&self, interrupt: Interrupt) -> CheckpointOptions {
        CheckpointOptions {
            container: String::new(),
            export: Export::default(),
            leave_running: self.leave_running,
            compress: self.compression(),
            ignore_rootfs: self.ignore_rootfs,
            ignore_volumes: self.ignore_volumes,
            keep: self.keep,
            keep_stopped: self.keep_stopped,
            tcp_established: self.tcp_established,
            tcp_close: false,
            file_locks: self.file_locks,
            with_previous: self.with_previous,
            force: self.force,
            clone_policy: self.reflink.policy(),
            passes: self.passes,
            interrupt: Some(interrupt),
            ..CheckpointOptions::default()
        }
    }

    /// What a service needs for it.
    #[cfg(feature = "serve")]
    pub(crate) fn lending(&self) -> Result<Lending> {
        if self.why_podman_alone().is_some() {
            return Ok(Lending::default());
        }
        let count = if self.all { MOST_DESCRIPTORS } else { self.containers.len().max(1) };
        Lending::target(&self.export()?, count)
    }

    fn export(&self) -> Result<Export> {
        let path = self.export.clone().unwrap_or_default();
        let is_one = self.latest || self.containers.len() == 1;
        if path == Path::new("-") {
            ensure!(is_one, "standard output takes only one archive: name a folder for several, -e DIR/");
            ensure!(
                !stdout().is_terminal(),
                "an archive is nothing for a terminal: redirect standard output, or name a file"
            );
            return Ok(Export::Stdout);
        }
        if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
            return Ok(Export::Folder(path));
        }
        let shown = path.display();
        ensure!(is_one, "{shown} is not a folder, and several archives need one: -e DIR/");
        Ok(Export::File(path))
    }

    fn compression(&self) -> Compression {
        let by_name = || self.export.as_deref().map_or(Compression::None, Compression::of_name);
        self.compress.map_or_else(by_name, Compression::from)
    }

    /// The containers to work on; podman prints the IDs of those that it found itself.
    fn containers(&self, interrupt: &Interrupt) -> Result<Vec<Container>> {
        let listed = match (self.all, self.latest) {
            (true, _) => containers::running(Some(interrupt))?,
            (_, true) => vec![containers::latest(Some(interrupt))?],
            _ => {
                let named = |name: &String| Container { name: name.clone(), printed: name.clone() };
                return Ok(self.containers.iter().map(named).collect());
            }
        };
        Ok(listed.into_iter().map(|listed| Container { name: listed.name, printed: listed.id }).collect())
    }

    /// podman's command line, without the archive and the containers.
    fn for_podman(&self) -> CommandLine {
        CommandLine::container("checkpoint")
            .switches(&[
                (self.leave_running, "--leave-running"),
                (self.ignore_rootfs, "--ignore-rootfs"),
                (self.ignore_volumes, "--ignore-volumes"),
                (self.keep, "--keep"),
                (self.tcp_established, "--tcp-established"),
                (self.file_locks, "--file-locks"),
                (self.pre_checkpoint, "--pre-checkpoint"),
                (self.with_previous, "--with-previous"),
                (self.print_stats, "--print-stats"),
            ])
            .values("create-image", &self.create_image)
    }

    fn for_podman_alone(&self) -> Result<CommandLine> {
        let mut command = self.for_podman();
        if let Some(path) = &self.export {
            ensure!(
                path != Path::new("-"),
                "podman itself makes this archive, and cannot write it to standard output: name a file"
            );
            command = fallback::to_file(command, self.compression(), path);
        }
        Ok(command.switches(&[(self.all, "--all"), (self.latest, "--latest")]).operands(&self.containers))
    }
}
