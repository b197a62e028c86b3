//! `--create-image`: an image in podman's storage in the place of a file.

use std::process::ExitCode;

use anyhow::Result;
use ckpt_core::checkpoint::CheckpointOptions;
use ckpt_core::create_image::{CreateImageError, create_image};

use super::each::Container;
use crate::json::print_json;
use crate::messages::{Verbosity, print_line};
use crate::progress::{ProgressLine, Summary};
use crate::statistics::Statistics;

pub(super) fn create(
    container: &Container,
    image: &str,
    options: &CheckpointOptions,
    print_stats: bool,
    verbosity: Verbosity,
) -> Result<ExitCode> {
    let options = CheckpointOptions { container: container.name.clone(), ..options.clone() };
    let mut progress = ProgressLine::new("checkpoint");
    let done = create_image(&options, image, &mut progress);
    progress.finish();
    // What podman and CRIU said is shown with the checkpoint's own error.
    let report = match done {
        Err(CreateImageError::Checkpoint(error)) => return Err(error.into()),
        done => done?,
    };
    let frozen = report.observed_frozen.or(report.frozen);
    Summary { elapsed: report.elapsed, frozen, moved: report.moved }.print(&container.name, verbosity);
    if print_stats {
        let mut statistics = Statistics::of_checkpoints();
        statistics.add(&report.podman_stats, (&report).into());
        print_json(&statistics)?;
    } else {
        print_line(&container.printed)?;
    }
    Ok(ExitCode::SUCCESS)
}
