//! `ckpt dedup`.

use std::path::PathBuf;

use anyhow::Result;
use ckpt_core::dedup::{DedupOptions, PairReport, dedup};
use clap::Args;
use indicatif::HumanBytes;

use crate::archive::saved::Archive;
use crate::arguments::{StoreArgument, TextFormat};
use crate::json::print_json;
use crate::messages::print_line;
use crate::progress::ProgressLine;
use crate::signals;

/// Have archives share what is equal in them, so that it takes space once
///
/// Each archive is compared with the one before it: memory by process and address, files by path. What is equal lies on
/// the disk once afterwards (BTRFS, XFS). The bytes of an archive, its time and its mode stay as they are, and each can
/// be removed without the others. The first one is never changed in any way.
///
/// It can be interrupted, or killed, at any moment.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Archives on one file system, best in the order in which they were made; or saves, as web~1
    #[arg(required = true, num_args = 2.., value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    format: TextFormat,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let archive = |word: &PathBuf| Archive::find(word, &arguments.store).map(Archive::import);
    let options = DedupOptions {
        archives: arguments.archives.iter().map(archive).collect::<Result<_>>()?,
        interrupt: Some(signals::interrupt()?),
    };
    let mut progress = ProgressLine::new("dedup");
    let reports = dedup(&options, &mut progress);
    progress.finish();
    let reports = reports?;
    match arguments.format {
        TextFormat::Json => print_json(&reports),
        TextFormat::Text => reports.iter().try_for_each(|report| print_line(line(report))),
    }
}

fn line(report: &PairReport) -> String {
    let shared = &report.shared;
    let off_blocks = match shared.off_blocks_bytes {
        0 => String::new(),
        bytes => format!(", {} not on blocks", HumanBytes(bytes)),
    };
    format!(
        "{}: {} shared with {}, {} were already, {} differ{off_blocks}; {:.3} s",
        report.target.0.display(),
        HumanBytes(shared.shared_bytes),
        report.source.0.display(),
        HumanBytes(shared.already_shared_bytes),
        HumanBytes(shared.different_bytes),
        report.elapsed.as_secs_f64(),
    )
}
