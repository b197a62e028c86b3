//! Pages of the manual: `ckpt manual DIR` writes one for `ckpt` and one for each subcommand. For those who package it.
//!
//! Name, synopsis, description and options are clap's own; here are examples, exit statuses, files.

mod examples;
mod sections;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Command;
use clap_mangen::Man;

use examples::examples_of;

/// The folder that pages were asked for.
pub(crate) fn wanted() -> Option<PathBuf> {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    match &words[..] {
        [word, folder] if word == "manual" => Some(folder.into()),
        _ => None,
    }
}

pub(crate) fn run(mut command: Command, folder: &Path) -> Result<ExitCode> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    command = command.disable_help_subcommand(true);
    command.build();
    for command in with_subcommands(&command) {
        let page = Man::new(command.clone());
        let path = folder.join(page.get_filename());
        write(&page, command, &path).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command, what is below it, and so on; not what is hidden.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    std::iter::once(command).chain(below.flat_map(with_subcommands)).collect()
}

fn write(page: &Man, command: &Command, path: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    // Without a date: clap_mangen would leave that out, and the version would stand in its place.
    writeln!(out, r#".TH {} 1 "" "ckpt {}" "Checkpoints of containers""#, name_of(command), env!("CARGO_PKG_VERSION"))?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut out)?;
    }
    sections::exit_status(command).to_writer(&mut out)?;
    sections::examples(&examples_of(&name_of(command))).to_writer(&mut out)?;
    sections::environment().to_writer(&mut out)?;
    sections::files().to_writer(&mut out)?;
    sections::see_also(&name_of(command)).to_writer(&mut out)?;
    out.flush()
}

/// `ckpt`, or as `ckpt-rootfs-save`.
fn name_of(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn each_command_has_a_page_with_examples_exit_status_and_files() -> Result<()> {
        let folder = tempfile::tempdir()?;
        run(CommandLine::command(), folder.path())?;
        let mut names = Vec::new();
        for entry in fs::read_dir(folder.path())? {
            let path = entry?.path();
            let page = fs::read_to_string(&path)?;
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "FILES"] {
                assert!(page.contains(&format!(".SH {section}\n")), "{} has no {section}", path.display());
            }
            assert!(page.contains(".SH \"EXIT STATUS\"\n"), "{}", path.display());
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        for name in ["ckpt.1", "ckpt-restore.1", "ckpt-rootfs-apply.1"] {
            assert!(names.iter().any(|there| there == name), "no {name} in {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
        Ok(())
    }
}
