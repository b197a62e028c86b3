//! Diff, archive, restore, comparison.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use ckpt_core::rootfs::Supplement;

use crate::carry::carry;
use crate::support::overlay::{Mounted, Overlay};
use crate::support::tree;

/// Takes the changes in upperdir `from` through an archive into a new upperdir `to` over the same lower layers, and
/// compares what the two mounts show. Every deletion must be of something the lower layers show.
pub(crate) fn round_trip(overlay: &Overlay, from: &str, to: &str) -> Result<()> {
    let supplement = carry(&overlay.layers(from)?, &overlay.layers(to)?)?;
    compare(overlay, from, to, &supplement, |_| true)
}

/// Whether the two mounts show the same but for differences that do not `count`, and `supplement` deletes nothing else.
pub(crate) fn compare(
    overlay: &Overlay,
    from: &str,
    to: &str,
    supplement: &Supplement,
    count: fn(&str) -> bool,
) -> Result<()> {
    let (source, target) = (overlay.mount(from)?, overlay.mount(to)?);
    let mut differences = tree::differences(&tree::read(source.path())?, &tree::read(target.path())?);
    differences.retain(|difference| count(difference));
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    rsync_is_content(&source, &target)?;
    let base = tree::read(overlay.mount("unchanged")?.path())?;
    let needless: Vec<_> = supplement.deleted.iter().filter(|path| !base.contains_key(*path)).collect();
    ensure!(needless.is_empty(), "deleted, but shown by no lower layer: {needless:?}");
    Ok(())
}

fn rsync_is_content(source: &Mounted, target: &Mounted) -> Result<()> {
    let output = Command::new("rsync")
        .args(["-aHAXn", "--delete", "--itemize-changes"])
        .args([source.path().join(""), target.path().join("")])
        .output()
        .context("start rsync")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && said.is_empty(), "rsync: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
