//! `ckpt fork`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use ckpt_core::compression::Compression;
use ckpt_core::fork::{ForkOptions, fork};
use ckpt_core::restore::copies::{CopiesReport, Template, restore_copies};
use ckpt_core::restore::{Lazy, RestoreOptions};
use clap::Args;

use crate::archive::saved::Archive;
use crate::arguments::{CopiesArguments, LazyArgument, ReflinkArgument, StoreArgument, check_named_plain, count};
use crate::copies::CopiesLine;
use crate::files::Files;
#[cfg(feature = "serve")]
use crate::lending::Lending;
use crate::messages::Verbosity;
use crate::podman;
use crate::progress::Summary;
use crate::signals;

/// Make running copies of a running container
///
/// The container is checkpointed once and runs on. Each copy goes on from that moment, as a container of its own: with a name,
/// an ID, a network address and volumes of its own. TCP connections stay with the original; copies find them closed,
/// unless --tcp-established is given.
///
/// A line is printed for each copy as it becomes ready. Ctrl-C removes the copies that are not ready yet.
#[derive(Args)]
#[command(after_help = podman::EXIT_STATUS)]
pub(crate) struct Arguments {
    /// The running container; or a save of one, as web~1
    container: String,
    /// How many copies
    #[arg(short, long, value_name = "N", value_parser = count::<NonZeroU32>)]
    count: NonZeroU32,
    /// Their names: the number of the copy, from 1, stands in place of n and its braces, and {n:02} makes it 01. By default, the name of the container, then - and the number
    // The help would break its line at what stands in the values' names.
    #[arg(short, long, value_name = "NAME-{n}")]
    name: Option<Template>,
    /// Publish a port of each copy, as `podman run -p` does. What stands in braces is the number of the copy, from 1: as written here, the first has port 8081. Without +, it is a digit. By default, the ports that the container publishes get free ones
    #[arg(short, long, value_name = "8080+{n}:80")]
    publish: Vec<Template>,
    /// Keep the archive in this file, if no TCP connection is established; by default none is left
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Whether copies run before their memory is there, which follows while they work. By default they do if it is 32 MiB or more
    #[arg(long, value_enum, value_name = "WHEN", num_args = 0..=1, default_missing_value = "auto")]
    lazy: Option<LazyArgument>,
    /// Have TCP connections go on in the copies. Both ends have to be in the container: a copy with an address of its own cannot go on with others, and fails
    #[arg(long)]
    tcp_established: bool,
    /// Take file locks along
    #[arg(long)]
    file_locks: bool,
    /// Go on with a version of podman that was never tried
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
    // The last, as its heading holds for what follows.
    #[command(flatten)]
    copies: CopiesArguments,
}

#[cfg(feature = "serve")]
impl Arguments {
    /// What a service needs for it.
    pub(crate) fn lending(&self) -> Result<Lending> {
        match &self.keep {
            Some(path) => Lending::target(&path.into(), 1),
            None => Ok(Lending::default()),
        }
    }
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity, files: &Files) -> Result<ExitCode> {
    if let Some(saved) = files.save_optional(Path::new(&arguments.container), &arguments.store)? {
        return copies_of(saved, arguments, verbosity);
    }
    arguments.keep.as_deref().map_or(Ok(()), check_named_plain)?;
    let options = ForkOptions {
        container: arguments.container.clone(),
        keep: arguments.keep.as_deref().map(|path| files.export(path)).transpose()?,
        compress: arguments.keep.as_deref().map_or(Compression::None, Compression::of_name),
        copies: arguments.copies.options(arguments.count, arguments.name.clone(), arguments.publish.clone()),
        lazy: arguments.lazy.map_or(Lazy::IfMuch, Lazy::from),
        tcp_established: arguments.tcp_established,
        file_locks: arguments.file_locks,
        force: arguments.force,
        clone_policy: arguments.reflink.policy(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut line = CopiesLine::new("fork", arguments.count, arguments.copies.format);
    let done = fork(&options, &mut line);
    line.finish()?;
    let report = done?;
    let frozen = report.checkpoint.observed_frozen.or(report.checkpoint.frozen);
    let elapsed = report.checkpoint.elapsed + report.copies.elapsed;
    Summary { elapsed, frozen, moved: report.checkpoint.moved }.print(&arguments.container, verbosity);
    Ok(if report.copies.running == arguments.count.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies of a save, for which no container is frozen.
fn copies_of(saved: Archive, arguments: &Arguments, verbosity: Verbosity) -> Result<ExitCode> {
    ensure!(
        arguments.keep.is_none(),
        "--keep is for the archive of a running container, and {} is an archive already: leave --keep away",
        arguments.container
    );
    let options = RestoreOptions {
        import: saved.import(),
        lazy: arguments.lazy.map_or(Lazy::IfMuch, Lazy::from),
        tcp_established: arguments.tcp_established,
        file_locks: arguments.file_locks,
        force: arguments.force,
        clone_policy: arguments.reflink.policy(),
        interrupt: Some(signals::interrupt()?),
        ..RestoreOptions::default()
    };
    let copies = arguments.copies.options(arguments.count, arguments.name.clone(), arguments.publish.clone());
    let mut line = CopiesLine::new("fork", arguments.count, arguments.copies.format);
    let done = restore_copies(&options, &copies, &mut line);
    line.finish()?;
    let CopiesReport { running, elapsed, .. } = done?;
    verbosity.note(format_args!("{running} of {} copies run: {:.3} s", arguments.count, elapsed.as_secs_f64()));
    Ok(if running == arguments.count.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
