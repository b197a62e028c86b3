//! `ckpt pull`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ckpt_core::pull::pull;
use ckpt_core::reference::ImageRef;
use clap::Args;

use crate::arguments::check_named_plain;
use crate::messages::{Verbosity, print_line};
use crate::progress::{ProgressLine, Summary};
use crate::signals;

/// Write the archive that an image of a checkpoint holds to a file
///
/// Its files lie on blocks, so that a restore can clone them. Images of podman, CRI-O and containerd are taken as well.
///
/// Prints the name of the archive. To restore it at once: `ckpt restore -i docker://IMAGE`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The image: HOST/NAME:TAG in a registry, or oci:DIR:TAG in a folder
    image: ImageRef,
    /// Write the archive to this file; by default to NAME.tar here, after the image, if there is no such file
    #[arg(short, long, value_name = "FILE")]
    export: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<()> {
    let path = match &arguments.export {
        Some(path) => path.clone(),
        None => free(&arguments.image)?,
    };
    check_named_plain(&path)?;
    let interrupt = signals::interrupt()?;
    let mut progress = ProgressLine::new("pull");
    let report = pull(&arguments.image, &path, Some(&interrupt), &mut progress);
    progress.finish();
    let report = report?;
    let summary = Summary { elapsed: report.elapsed, frozen: None, moved: report.moved };
    summary.print(&arguments.image.to_string(), verbosity);
    print_line(path.display())
}

/// The name that the archive gets by itself.
fn free(image: &ImageRef) -> Result<PathBuf> {
    let name = PathBuf::from(format!("{}.tar", stem(image)));
    ensure!(!name.exists(), "{} is there already: name the archive by -e FILE", name.display());
    Ok(name)
}

/// The last word of the name: the repository's, or in a folder the tag's.
fn stem(image: &ImageRef) -> String {
    let named = match image {
        ImageRef::Registry(image) => image.name.clone(),
        ImageRef::Layout(image) => image.tag.clone().unwrap_or_else(|| folder_name(&image.folder)),
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    last.split([':', '@']).next().unwrap_or_default().to_owned()
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| "checkpoint".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_called_after_its_image() {
        for (image, expected) in [
            ("quay.io/team/web:1", "web"),
            ("oci:images:db", "db"),
            ("oci:images:quay.io/team/web:1", "web"),
            ("oci:/srv/images", "images"),
        ] {
            assert_eq!(stem(&image.parse().unwrap()), expected);
        }
    }
}
