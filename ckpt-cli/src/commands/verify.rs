//! `ckpt verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use aligntar::{Alignment, Report, ShownName, VerifyOptions, verify, verify_file};
use anyhow::{Context, Result};
use ckpt_core::BytePath;
use clap::Args;
use indicatif::HumanBytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::input::Input;
use crate::archive::saved::Archive;
use crate::arguments::{AlignArgument, IdentityArgument, StoreArgument, TextFormat};
use crate::json::print_json;
use crate::messages::{err, print_line, with_reasons};
use crate::names::{json_bytes, printable};

/// Look for damage in any tar archive, and say at which offset it is
///
/// Reads every header, every pax record, nested archives and the end. The exit status is 1 if something is wrong. The
/// archive may be compressed with zstd or gzip, and encrypted with age.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; - for standard input; or a save, as web~1
    archive: PathBuf,
    /// Take data that does not lie on blocks for wrong as well
    #[arg(long)]
    aligned: bool,
    /// Blocks that data should lie on: a power of two from 512 to 65536, or auto for that of the archive's file system
    #[arg(long, value_name = "BYTES", default_value = "auto", value_parser = AlignArgument::parse)]
    align: AlignArgument,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    format: TextFormat,
    #[command(flatten)]
    identity: IdentityArgument,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let archive = Archive::find(&arguments.archive, &arguments.store)?;
    let input = Input::open_with(archive.path(), &arguments.identity)?;
    let report = report(input, arguments.align).with_context(|| arguments.archive.display().to_string())?;
    match arguments.format {
        TextFormat::Json => print_json(&VerifyJson::of(&report))?,
        TextFormat::Text => print(arguments, &report)?,
    }
    let is_sound = report.problems.is_empty() && !(arguments.aligned && report.unaligned_members > 0);
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(input: Input, AlignArgument(asked): AlignArgument) -> Result<Report> {
    let mut options = VerifyOptions::default();
    Ok(match input {
        Input::File(file) => {
            options.alignment = asked.map_or_else(|| Alignment::of(&file), Ok)?;
            verify_file(&file, &options)?
        }
        Input::Stream(mut stream) => {
            options.alignment = asked.unwrap_or(options.alignment);
            verify(&mut *stream, &options)
        }
    })
}

fn print(arguments: &Arguments, report: &Report) -> Result<()> {
    let archive = printable(arguments.archive.as_os_str().as_encoded_bytes());
    for problem in &report.problems {
        let within = problem.within.as_deref().map(|path| format!(" in {}", ShownName::new(path))).unwrap_or_default();
        err(format_args!("{archive}: at offset {}{within}: {}", problem.offset, with_reasons(&problem.kind)));
    }
    if arguments.aligned
        && let Some(first) = &report.first_unaligned
    {
        let path = ShownName::new(&first.path);
        err(format_args!(
            "the data of {path} at offset {} does not lie on a block: `ckpt align` makes an archive in which it does",
            first.data_offset
        ));
    }
    let shared = report.sharing.map(|sharing| format!(", {} shared", HumanBytes(sharing.shared_bytes)));
    print_line(format_args!(
        "{}: {} members, {} nested archives, {}{}; {} of {} larger files on blocks; {}",
        archive,
        report.members,
        report.nested_archives,
        HumanBytes(report.bytes),
        shared.unwrap_or_default(),
        report.aligned_members,
        report.aligned_members + report.unaligned_members,
        match report.problems.len() {
            0 => "sound".to_owned(),
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        },
    ))
}

/// What `--format json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verified")]
pub(crate) struct VerifyJson {
    members: u64,
    nested_archives: u64,
    /// Length of the archive.
    bytes: u64,
    /// Larger files whose data lies on blocks.
    aligned_members: u64,
    /// Those whose data does not.
    unaligned_members: u64,
    first_unaligned: Option<UnalignedJson>,
    /// Bytes that lie somewhere on the disk; none where that is not known.
    mapped_bytes: Option<u64>,
    /// Those of them that other files have as well.
    shared_bytes: Option<u64>,
    /// None in an archive that is sound.
    problems: Vec<ProblemJson>,
}

/// A file whose data does not lie on blocks.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Unaligned")]
struct UnalignedJson {
    path: BytePath,
    /// Where its data begins in the archive.
    data_offset: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct ProblemJson {
    /// Where it is in the archive.
    offset: u64,
    /// The nested archive in which it is.
    within: Option<BytePath>,
    what: String,
}

impl VerifyJson {
    fn of(report: &Report) -> Self {
        let problems = report.problems.iter().map(|problem| ProblemJson {
            offset: problem.offset,
            within: problem.within.as_deref().map(json_bytes),
            what: with_reasons(&problem.kind),
        });
        let first = report.first_unaligned.as_ref();
        VerifyJson {
            members: report.members,
            nested_archives: report.nested_archives,
            bytes: report.bytes,
            aligned_members: report.aligned_members,
            unaligned_members: report.unaligned_members,
            first_unaligned: first
                .map(|first| UnalignedJson { path: json_bytes(&first.path), data_offset: first.data_offset }),
            mapped_bytes: report.sharing.map(|sharing| sharing.mapped_bytes),
            shared_bytes: report.sharing.map(|sharing| sharing.shared_bytes),
            problems: problems.collect(),
        }
    }
}
