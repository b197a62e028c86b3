//! `ckpt rootfs save`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ckpt_core::compression::Compression;
use ckpt_core::layer::{Place, SaveOptions, SaveReport, save};
use ckpt_core::operand::{Layers, Operand};
use clap::Args;

use super::form::FormArgument;
use crate::archive::output::OutputArguments;
use crate::messages::{Verbosity, warn};
use crate::progress::{ProgressLine, Summary};

/// Save what a container changed of its image, exactly, running or not
///
/// Owners, modes, times (ns), attributes, holes and hard links are kept, and so are deletions, replaced directories and
/// sockets. Nothing is left out silently.
///
/// Without --freeze, a container that runs may change files meanwhile, and one that changes while it is read is an error.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A container of podman or Docker, one that runs in containerd, a process, or a merged directory
    #[arg(value_name = "NAME|PID|PATH")]
    target: String,
    /// The archive to make; - for standard output
    #[arg(short, long, value_name = "ARCHIVE")]
    export: PathBuf,
    /// How the archive says what was changed
    #[arg(long, value_enum, default_value = "oci")]
    format: FormArgument,
    /// Have the container stand still while its files are taken: some milliseconds where they can be cloned
    #[arg(long)]
    freeze: bool,
    #[command(flatten)]
    layout: OutputArguments,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let started = Instant::now();
    let Operand::Layers { layers, .. } = Operand::find(&arguments.target)? else {
        bail!(
            "{} is a file: name a container, a process, or a directory where an overlay is mounted",
            arguments.target
        );
    };
    let mut progress = ProgressLine::new("save");
    let mut report = SaveReport::default();
    let written = arguments.layout.write_private(&arguments.export, |writer, itself| {
        let options = SaveOptions {
            form: arguments.format.into(),
            freeze: arguments.freeze,
            place: place(arguments, &layers, itself)?,
            clone_policy: arguments.layout.clone_policy(),
            interrupt: None,
        };
        report = save(&layers, &options, writer, &mut progress)?;
        Ok(())
    });
    progress.finish();
    let written = written?;
    if arguments.freeze && report.frozen.is_none() {
        verbosity.note(format_args!("Note: {} does not run, or stands still already", arguments.target));
    }
    if report.with_flags > 0 {
        warn(format_args!(
            "of the files, {} are immutable, append-only or nodump (lsattr), which the archive does not keep",
            report.with_flags
        ));
    }
    Summary { elapsed: started.elapsed(), frozen: report.frozen, moved: written.moved }
        .print(&arguments.export.to_string_lossy(), verbosity);
    Ok(())
}

/// `itself` is the archive's device and inode number, unless it goes to a pipe.
fn place(arguments: &Arguments, layers: &Layers, itself: &[(u64, u64)]) -> Result<Place> {
    let upperdir: &Path = &layers.upperdir;
    let device = fs::metadata(upperdir).with_context(|| format!("look at {}", upperdir.display()))?.dev();
    let is_compressed = arguments.layout.compression(&arguments.export) != Compression::None;
    Ok(match itself.first() {
        None => Place::Stream,
        Some(_) if is_compressed => Place::Stream,
        Some((target, _)) if *target == device => Place::Beside,
        Some(_) => Place::Elsewhere,
    })
}
