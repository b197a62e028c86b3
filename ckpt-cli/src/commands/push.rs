//! `ckpt push`.

use std::path::PathBuf;

use anyhow::Result;
use ckpt_core::push::{PushOptions, push};
use ckpt_core::reference::ImageRef;
use clap::Args;

use crate::archive::saved::Archive;
use crate::arguments::{CompressionArgument, StoreArgument};
use crate::messages::{Verbosity, print_line};
use crate::progress::{ProgressLine, Summary};
use crate::{signals, spool};

/// Make an image of a checkpoint: in a registry, or in a folder
///
/// `podman container restore IMAGE`, CRI-O and containerd know such an image. Registries are those of podman: `podman login`
/// is where the password comes from, and registries.conf and certs.d are followed.
///
/// Prints the image with its digest.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; or a save, as web~1
    archive: PathBuf,
    /// The image: HOST/NAME:TAG in a registry, or oci:DIR:TAG in a folder, which is made if need be
    image: ImageRef,
    /// Compress the archive; by default zstd for a registry, and none in a folder, where the archive is cloned
    #[arg(long, value_enum, ignore_case = true)]
    compress: Option<CompressionArgument>,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let archive = Archive::find(&arguments.archive, &arguments.store)?;
    let options = PushOptions {
        archive: archive.path().to_owned(),
        image: arguments.image.clone(),
        compression: arguments.compress.map(Into::into),
        spool: spool::folder(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut progress = ProgressLine::new("push");
    let report = push(&options, &mut progress);
    progress.finish();
    let report = report?;
    let summary = Summary { elapsed: report.elapsed, frozen: None, moved: report.moved };
    summary.print(&arguments.image.to_string(), verbosity);
    print_line(format_args!("{}@{}", arguments.image, report.digest))
}
