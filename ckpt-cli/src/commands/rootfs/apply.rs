//! `ckpt rootfs apply`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ckpt_core::layer::{ApplyOptions, apply};
use ckpt_core::operand::{Layers, Operand};
use clap::Args;

use super::form::FormArgument;
use crate::archive::saved::Archive;
use crate::arguments::{ReflinkArgument, StoreArgument};
use crate::messages::Verbosity;
use crate::progress::{ProgressLine, Summary};

/// Make a container that does not run look as the one that was saved
///
/// Both have the same image. The archive may be a checkpoint, one of `ckpt rootfs save` in any form, a layer of an OCI
/// image, or a tar of an upper directory; it may be compressed. It is refused where the overlay is mounted.
///
/// The new files take the place of the old ones at once, when they are whole.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A container of podman or Docker that does not run
    #[arg(value_name = "NAME", required_unless_present = "upperdir", conflicts_with = "upperdir")]
    target: Option<String>,
    /// The archive; or a save, as web~1
    #[arg(short, long, value_name = "ARCHIVE")]
    import: PathBuf,
    /// Write to this directory of an overlay that is not mounted
    #[arg(long, value_name = "DIR", requires = "lowerdirs")]
    upperdir: Option<PathBuf>,
    /// With --upperdir: the directories below it, top first
    #[arg(long = "lowerdir", value_name = "DIR:DIR…", value_delimiter = ':', requires = "upperdir")]
    lowerdirs: Vec<PathBuf>,
    /// Replace what the container has changed itself
    #[arg(long)]
    replace: bool,
    /// The archive's form; by default the one that its members have
    #[arg(long, value_enum)]
    format: Option<FormArgument>,
    #[command(flatten)]
    store: StoreArgument,
    #[command(flatten)]
    reflink: ReflinkArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let started = Instant::now();
    let layers = layers(arguments)?;
    let archive = Archive::find(&arguments.import, &arguments.store)?;
    let options = ApplyOptions {
        archive: archive.path().to_owned(),
        form: arguments.format.map(Into::into),
        replace: arguments.replace,
        clone_policy: arguments.reflink.policy(),
    };
    let mut progress = ProgressLine::new("apply");
    let applied = apply(&layers, &options, &mut progress);
    progress.finish();
    let report = applied?;
    Summary { elapsed: started.elapsed(), frozen: None, moved: report.moved }
        .print(&layers.upperdir.to_string_lossy(), verbosity);
    Ok(())
}

fn layers(arguments: &Arguments) -> Result<Layers> {
    if let Some(upperdir) = &arguments.upperdir {
        let absolute = |path: &PathBuf| path.canonicalize().with_context(|| format!("look at {}", path.display()));
        let lowerdirs = arguments.lowerdirs.iter().map(absolute).collect::<Result<_>>()?;
        return Ok(Layers::new(absolute(upperdir)?, lowerdirs));
    }
    let target = arguments.target.as_deref().context("name a container, or --upperdir")?;
    match Operand::find(target)? {
        Operand::Layers { layers, .. } => Ok(*layers),
        Operand::Archive(path) => bail!("{} is a file: name a container", path.display()),
    }
}
