//! `ckpt prune`.

use std::process::ExitCode;

use anyhow::Result;
use ckpt_core::prune::{PruneOptions, PruneReport, prune};
use ckpt_core::retention::{Count, Policy, Reason, Size, Span, TagRule};
use ckpt_core::store::{Configuration, Retention, Saved};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::rm;
use crate::arguments::{StoreArgument, TextFormat};
use crate::json::json_line;
use crate::messages::{Verbosity, print_line, warn, with_reasons};
use crate::names::printable;
use crate::progress::ProgressLine;
use crate::signals;

/// Remove the saves of a container that are not to be kept
///
/// The rules are those of restic's `forget`: what one of them keeps is kept. Without any, those of /etc/ckpt/ckpt.toml hold, and
/// if there are none either, nothing is removed. Days begin at midnight in the time zone of this host.
///
/// A save that is being read is not removed. Prints a line for each save that is.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The container's name
    container: String,
    /// Keep the last N; `unlimited` keeps all. This holds for each of the following as well
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_last: Count,
    /// Keep the newest save of each of the last N hours that have any
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_hourly: Count,
    /// Keep the newest save of each of the last N days
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_daily: Count,
    /// Keep the newest save of each of the last N weeks, which begin on Mondays
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_weekly: Count,
    /// Keep the newest save of each of the last N months
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_monthly: Count,
    /// Keep the newest save of each of the last N years
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    keep_yearly: Count,
    /// Keep all saves in this span before the newest: years, months, days and hours, as 1y5m7d2h
    #[arg(long, value_name = "SPAN")]
    keep_within: Option<Span>,
    /// Keep the newest save of each hour in this span
    #[arg(long, value_name = "SPAN")]
    keep_within_hourly: Option<Span>,
    /// Keep the newest save of each day in this span
    #[arg(long, value_name = "SPAN")]
    keep_within_daily: Option<Span>,
    /// Keep the newest save of each week in this span
    #[arg(long, value_name = "SPAN")]
    keep_within_weekly: Option<Span>,
    /// Keep the newest save of each month in this span
    #[arg(long, value_name = "SPAN")]
    keep_within_monthly: Option<Span>,
    /// Keep the newest save of each year in this span
    #[arg(long, value_name = "SPAN")]
    keep_within_yearly: Option<Span>,
    /// Keep those with a tag like this (`*`, `release-?`); with commas, those that have all. May be repeated
    #[arg(long, value_name = "TAGS")]
    keep_tag: Vec<TagRule>,
    /// After the other rules, remove the oldest saves until all together occupy at most SIZE (such as 20G), each block counted once. The newest stays, and what --keep-tag keeps
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Size>,
    /// Only say what would be removed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print lines, or one JSON object with what is kept, and why, and what is removed
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    format: TextFormat,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments, verbosity: Verbosity) -> Result<ExitCode> {
    let Retention { policy, max_size } = arguments.retention()?;
    if policy.is_empty() && max_size.is_none() {
        verbosity.note("no rule says what is to be kept, so nothing is removed");
    }
    let options = PruneOptions {
        container: arguments.container.clone(),
        store: arguments.store.folder().map(Into::into),
        policy,
        max_size,
        dry_run: arguments.dry_run,
        interrupt: Some(signals::interrupt()?),
    };
    let mut progress = ProgressLine::new("prune");
    let pruned = prune(&options, &mut progress);
    progress.finish();
    let report = pruned?;
    for saved in &report.in_use {
        warn(format_args!("{}@{} is in use, and stays", saved.container, saved.id));
    }
    if report.too_large {
        warn("the newest save and those with kept tags alone occupy more than --max-size");
    }
    let status = rm::tell(&report.failures);
    match arguments.format {
        TextFormat::Json => print_line(json_line(&PruneJson::of(report))?)?,
        TextFormat::Text => print(&report, arguments.dry_run, verbosity)?,
    }
    Ok(status)
}

impl Arguments {
    /// What was said here, or else in the configuration.
    fn retention(&self) -> Result<Retention> {
        let policy = Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within,
            within_hourly: self.keep_within_hourly,
            within_daily: self.keep_within_daily,
            within_weekly: self.keep_within_weekly,
            within_monthly: self.keep_within_monthly,
            within_yearly: self.keep_within_yearly,
            tags: self.keep_tag.clone(),
        };
        match policy.is_empty() && self.max_size.is_none() {
            true => Ok(Configuration::read()?.retention),
            false => Ok(Retention { policy, max_size: self.max_size }),
        }
    }
}

fn print(report: &PruneReport, dry_run: bool, verbosity: Verbosity) -> Result<()> {
    for (saved, reasons) in &report.kept {
        let reasons: Vec<String> = reasons.iter().map(|reason| printable(reason.to_string().as_bytes())).collect();
        verbosity.note(format_args!("{} stays: {}", told(saved), reasons.join(", ")));
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    report.removed.iter().try_for_each(|saved| print_line(format_args!("{} {verb}", told(saved))))
}

/// `1f2e3d4c of 2026-11-29T09:31:55Z`
fn told(saved: &Saved) -> String {
    format!("{} of {:.0}", saved.short_id(), saved.created)
}

/// What `--format json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Pruned")]
pub(crate) struct PruneJson {
    /// What stays.
    kept: Vec<KeptJson>,
    /// What is removed, or would be with --dry-run.
    removed: Vec<Saved>,
    /// What would have been removed, but is being read.
    in_use: Vec<Saved>,
    /// Whether what has to stay occupies more than --max-size.
    too_large: bool,
    /// Why saves stay that should be gone.
    failures: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Kept")]
struct KeptJson {
    save: Saved,
    /// The rules that keep it.
    reasons: Vec<Reason>,
}

impl PruneJson {
    fn of(report: PruneReport) -> Self {
        PruneJson {
            kept: report.kept.into_iter().map(|(save, reasons)| KeptJson { save, reasons }).collect(),
            removed: report.removed,
            in_use: report.in_use,
            too_large: report.too_large,
            failures: report.failures.iter().map(|failure| with_reasons(failure)).collect(),
        }
    }
}
