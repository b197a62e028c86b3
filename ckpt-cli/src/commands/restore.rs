//! `ckpt restore`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Result, bail};
use ckpt_core::interrupt::Interrupt;
use ckpt_core::lazy;
use ckpt_core::restore::copies::{CopiesReport, Template, restore_copies};
use ckpt_core::restore::{Import, Lazy, RestoreError, RestoreOptions, RestoreReport, import_file, restore};
use clap::{ArgGroup, Args};

#[cfg(feature = "images")]
use crate::archive::image;
use crate::archive::input;
use crate::arguments::{CopiesArguments, IdentityArgument, LazyArgument, ReflinkArgument, StoreArgument, count};
use crate::copies::CopiesLine;
use crate::files::Files;
use crate::json::print_json;
#[cfg(feature = "serve")]
use crate::lending::Lending;
use crate::messages::{Verbosity, print_line, print_text};
use crate::noted::noted;
use crate::podman::{self, CommandLine, FALLBACK_HINT};
use crate::progress::{ProgressLine, Summary};
use crate::statistics::Statistics;
use crate::{signals, spool};

/// Bring a container back from an archive, running as it was
///
/// Archives of podman itself are restored as well, compressed or not. Options have podman's names and meanings.
///
/// Without -i, podman itself restores containers that were checkpointed in place, or checkpoint images.
#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true).args(["import", "containers", "all", "latest"]))]
#[command(after_help = podman::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// Checkpointed containers to restore in place, or checkpoint images (podman itself does it)
    #[arg(value_name = "CONTAINER|IMAGE")]
    containers: Vec<String>,
    /// All checkpointed containers, in place (podman itself does it)
    #[arg(short, long)]
    all: bool,
    /// The container that was made last, in place (podman itself does it)
    #[arg(short, long)]
    latest: bool,
    /// Read this archive; - is standard input. A pipe is read to its end first. Or take a save, as web~1, or an image, as oci:DIR:TAG or docker://HOST/NAME:TAG
    #[arg(short, long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// The archive of the pre-checkpoint that --with-previous built on
    #[arg(long, value_name = "FILE")]
    import_previous: Option<PathBuf>,
    /// Give the container this name, and a new ID; by default it gets its name, ID, IP and MAC back. With --count, see `ckpt fork --help`
    #[arg(short, long)]
    name: Option<String>,
    /// Make so many copies, each a container of its own
    #[arg(short, long, value_name = "N", requires = "import", value_parser = count::<NonZeroU32>)]
    #[arg(conflicts_with_all = ["pod", "tcp_established", "ignore_volumes", "wait_memory", "print_stats", "fallback"])]
    count: Option<NonZeroU32>,
    /// Do not restore the files that the container changed
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
    /// Close TCP connections that were established
    #[arg(long)]
    tcp_close: bool,
    /// Restore file locks
    #[arg(long)]
    file_locks: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// Restore into this pod
    #[arg(long)]
    pod: Option<String>,
    /// Run the container before its memory is there: that follows out of the archive while it works. Where this cannot be, the memory comes first, and a line says why; with --lazy=always the restore fails instead
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, default_missing_value = "auto", requires = "import")]
    lazy: Option<LazyArgument>,
    /// With --lazy: return only when all memory is there
    #[arg(long, requires = "lazy")]
    wait_memory: bool,
    /// Publish a port, as `podman run -p` does. With --count, see `ckpt fork --help`
    #[arg(short, long)]
    publish: Vec<String>,
    /// Restore an archive that is neither root's nor yours, or that others may write
    #[arg(long)]
    trust: bool,
    /// Take the image of the recorded name, also if its ID is another one: the changed files go over its files
    #[arg(long)]
    allow_image_mismatch: bool,
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
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
    // The last, as its heading holds for what follows.
    #[command(flatten)]
    copies: CopiesArguments,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity, files: &Files) -> Result<ExitCode> {
    let interrupt = signals::interrupt()?;
    let Some(import) = arguments.import(files, &interrupt)? else {
        let why = "without -i there is no archive to clone from";
        return podman::hand_over(why, &arguments.for_podman_in_place(), &interrupt, verbosity);
    };
    let options = RestoreOptions { caller: files.caller(), ..arguments.options(import, interrupt) };
    let options = arguments.identity.open(options)?;
    if let Some(count) = arguments.count {
        return make_copies(arguments, &options, count, verbosity);
    }
    let mut progress = ProgressLine::new("restore");
    let done = restore(&options, &mut progress);
    progress.finish();
    match done {
        Ok(report) => {
            print(&options.import, &report, arguments.print_stats, verbosity)?;
            if arguments.wait_memory {
                let mut progress = ProgressLine::new("memory");
                lazy::wait(&report.id, options.interrupt.as_ref(), &mut progress)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.is_podmans_alone() && arguments.fallback => {
            fall_back(arguments.for_podman(), &options, &error)
        }
        Err(error) if error.is_podmans_alone() => bail!("{:#}: {FALLBACK_HINT}", anyhow::Error::new(error)),
        Err(error) => Err(error.into()),
    }
}

fn make_copies(
    arguments: &Arguments,
    options: &RestoreOptions,
    count: NonZeroU32,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    let name = arguments.name.as_deref().map(Template::from_str).transpose()?;
    let publish = arguments.publish.iter().map(|publish| publish.parse()).collect::<Result<_, _>>()?;
    let mut line = CopiesLine::new("restore", count, arguments.copies.format);
    let done = restore_copies(options, &arguments.copies.options(count, name, publish), &mut line);
    line.finish()?;
    let CopiesReport { running, elapsed, .. } = done?;
    verbosity.note(format_args!("{running} of {count} copies run: {:.3} s", elapsed.as_secs_f64()));
    Ok(if running == count.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    #[cfg_attr(not(feature = "images"), expect(unused_variables))]
    fn import(&self, files: &Files, interrupt: &Interrupt) -> Result<Option<Import>> {
        #[cfg(feature = "images")]
        // Another user's settings and rights are not this one's: a client's image would be read with root's.
        if !files.are_lent()
            && let Some(image) = self.import.as_deref().map(image::parse_optional).transpose()?.flatten()
        {
            return image::import(&image, Some(interrupt), "restore").map(Some);
        }
        Ok(match &self.import {
            Some(path) if path == Path::new("-") && !files.are_lent() => {
                input::check_stdin()?;
                Some(Import::Stdin)
            }
            Some(path) => Some(files.archive(path, &self.store)?.import()),
            None => None,
        })
    }

    /// What a service needs for it.
    #[cfg(feature = "serve")]
    pub(crate) fn lending(&self) -> Result<Lending> {
        match &self.import {
            Some(path) => {
                if path == Path::new("-") {
                    input::check_stdin()?;
                }
                Lending::source(path)
            }
            None => Ok(Lending::default()),
        }
    }

    fn options(&self, import: Import, interrupt: Interrupt) -> RestoreOptions {
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
            caller: None,
            allow_image_mismatch: self.allow_image_mismatch,
            force: self.force,
            lazy: self.lazy.map_or(self.default_lazy(), Lazy::from),
            clone_policy: self.reflink.policy(),
            interrupt: Some(interrupt),
        }
    }

    /// Copies are wanted soon, and read one archive.
    fn default_lazy(&self) -> Lazy {
        if self.count.is_some() { Lazy::IfMuch } else { Lazy::No }
    }

    /// podman's command line, without the archive and the containers.
    fn for_podman(&self) -> CommandLine {
        CommandLine::container("restore")
            .switches(&[
                (self.ignore_rootfs, "--ignore-rootfs"),
                (self.ignore_volumes, "--ignore-volumes"),
                (self.ignore_static_ip, "--ignore-static-ip"),
                (self.ignore_static_mac, "--ignore-static-mac"),
                (self.tcp_established, "--tcp-established"),
                (self.tcp_close, "--tcp-close"),
                (self.file_locks, "--file-locks"),
                (self.keep, "--keep"),
                (self.print_stats, "--print-stats"),
            ])
            .values("import-previous", &self.import_previous)
            .values("name", &self.name)
            .values("pod", &self.pod)
            .values("publish", &self.publish)
    }

    fn for_podman_in_place(&self) -> CommandLine {
        let command = self.for_podman();
        command.switches(&[(self.all, "--all"), (self.latest, "--latest")]).operands(&self.containers)
    }
}

fn print(import: &Import, report: &RestoreReport, print_stats: bool, verbosity: Verbosity) -> Result<()> {
    let summary = Summary { elapsed: report.elapsed, frozen: None, moved: report.moved };
    summary.print(&import.name().to_string_lossy(), verbosity);
    noted().id = Some(report.id.clone());
    if print_stats {
        let mut statistics = Statistics::of_restores();
        statistics.add(&report.podman_stats, report.into());
        return print_json(&statistics);
    }
    print_line(&report.id)
}

/// podman opens the archive three times, so that a stream has to become a file first.
fn fall_back(command: CommandLine, options: &RestoreOptions, why: &RestoreError) -> Result<ExitCode> {
    let archive = import_file(options, &spool::folder())?;
    let command = command.values("import", [podman::path_of(&archive)]);
    let said = podman::fall_back(why, &command, options.interrupt.as_ref())?;
    if !said.stdout.is_empty() {
        print_text(String::from_utf8_lossy(&said.stdout).trim_end())?;
    }
    Ok(podman::status(&said).into())
}
