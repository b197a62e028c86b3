//! `ckpt restore`.

use std::path::PathBuf;

use ckpt_core::restore::{RestoreOptions, RestoreReport, restore};
use clap::Args;
use serde_json::json;

use super::{CloneArgument, merge};
use crate::display::{Display, Summary, say};
use crate::signals;

/// Make a running container of an archive, ours or podman's own, compressed or not.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive
    #[arg(short, long, value_name = "FILE")]
    import: PathBuf,
    /// A name for the container, which gets an ID of its own then; else it gets its name, ID, IP and MAC back
    #[arg(short, long)]
    name: Option<String>,
    /// Do not apply the container's changed files
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
    /// Restore established TCP connections as closed ones
    #[arg(long)]
    tcp_close: bool,
    /// Restore file locks
    #[arg(long)]
    file_locks: bool,
    /// Keep CRIU's logs in the container's bundle
    #[arg(short, long)]
    keep: bool,
    /// The pod to restore into
    #[arg(long)]
    pod: Option<String>,
    /// Publish a port, as `podman run -p` does
    #[arg(short, long)]
    publish: Vec<String>,
    /// Restore an archive that is neither root's nor yours, or that others may write
    #[arg(long)]
    trust: bool,
    /// Take the image that has the recorded name here, though its ID is another: changed files go over its files
    #[arg(long)]
    allow_image_mismatch: bool,
    /// Print statistics as JSON, podman's and our own
    #[arg(long)]
    print_stats: bool,
    #[command(flatten)]
    clone: CloneArgument,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let options = RestoreOptions {
        import: arguments.import,
        name: arguments.name,
        ignore_rootfs: arguments.ignore_rootfs,
        ignore_volumes: arguments.ignore_volumes,
        ignore_static_ip: arguments.ignore_static_ip,
        ignore_static_mac: arguments.ignore_static_mac,
        tcp_established: arguments.tcp_established,
        tcp_close: arguments.tcp_close,
        file_locks: arguments.file_locks,
        keep: arguments.keep,
        pod: arguments.pod,
        publish: arguments.publish,
        trust: arguments.trust,
        allow_image_mismatch: arguments.allow_image_mismatch,
        clone_policy: arguments.clone.policy(),
        interrupt: Some(signals::interrupt()?),
    };
    let mut display = Display::new("restore");
    let report = restore(&options, &mut display)?;
    display.finish();
    Summary { elapsed: report.elapsed, frozen: None, moved: report.moved }.print(&options.import.to_string_lossy());
    match arguments.print_stats {
        true => say(format_args!("{:#}", statistics(&report))),
        false => say(&report.id),
    }
    Ok(())
}

fn statistics(report: &RestoreReport) -> serde_json::Value {
    let ours = json!({
        "elapsed_us": report.elapsed.as_micros() as u64,
        "place_us": report.place.as_micros() as u64,
        "cloned_bytes": report.moved.cloned_bytes,
        "copied_bytes": report.moved.copied_bytes,
        "hole_bytes": report.moved.hole_bytes,
        "clone_calls": report.moved.clone_calls,
    });
    merge(report.podman_stats.clone(), ours)
}
