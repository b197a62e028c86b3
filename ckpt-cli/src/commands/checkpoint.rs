//! `ckpt checkpoint`.

use std::path::PathBuf;

use ckpt_core::checkpoint::{CheckpointOptions, CheckpointReport, checkpoint};
use clap::Args;
use serde_json::json;

use super::target::CompressionArgument;
use super::{CloneArgument, merge};
use crate::display::{Display, Summary, say};
use crate::signals;

/// Freeze a running container and make an archive of it; stops the container unless told otherwise.
///
/// The archive is podman's own format: `podman container restore -i` and checkpointctl read it.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Name or ID of the container
    container: String,
    /// The archive to make
    #[arg(short, long, value_name = "FILE")]
    export: PathBuf,
    /// Leave the container running
    #[arg(short = 'R', long)]
    leave_running: bool,
    /// Compression of the archive; a compressed one cannot be cloned from
    #[arg(short, long, value_enum, default_value_t = CompressionArgument::None)]
    compress: CompressionArgument,
    /// Leave the container's changed files out
    #[arg(long)]
    ignore_rootfs: bool,
    /// Leave the files of named volumes out
    #[arg(long)]
    ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// Checkpoint established TCP connections as well
    #[arg(long)]
    tcp_established: bool,
    /// Checkpoint file locks as well
    #[arg(long)]
    file_locks: bool,
    /// Print statistics as JSON, podman's and our own
    #[arg(long)]
    print_stats: bool,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = CheckpointOptions {
        container: arguments.container,
        export: arguments.export,
        leave_running: arguments.leave_running,
        compress: arguments.compress.into(),
        ignore_rootfs: arguments.ignore_rootfs,
        ignore_volumes: arguments.ignore_volumes,
        keep: arguments.keep,
        tcp_established: arguments.tcp_established,
        file_locks: arguments.file_locks,
        clone_policy: arguments.clone.policy(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut display = Display::new("checkpoint");
    let report = checkpoint(&options, &mut display)?;
    display.finish();
    Summary { elapsed: report.elapsed, frozen: report.observed_frozen.or(report.frozen), moved: report.moved }
        .print(&options.container);
    match arguments.print_stats {
        true => say(format_args!("{:#}", statistics(&report))),
        false => say(&options.container),
    }
    Ok(())
}

fn statistics(report: &CheckpointReport) -> serde_json::Value {
    let ours = json!({
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
    });
    merge(report.podman_stats.clone(), ours)
}
