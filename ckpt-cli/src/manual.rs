//! `ckpt manual`.
//!
//! Name, synopsis, description and options are clap's own; here are examples, exit statuses, files.

mod examples;
mod sections;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command};
use clap_mangen::Man;

use examples::examples_of;

/// Write the manual: a page for ckpt, and one for each command
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder for the pages, such as /usr/local/share/man/man1; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(mut command: Command, Arguments { folder }: &Arguments) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    command = command.disable_help_subcommand(true);
    command.build();
    for command in with_subcommands(&command) {
        let page = Man::new(command.clone());
        let path = folder.join(page.get_filename());
        write(&page, command, &path).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
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
    use clap::error::ErrorKind;
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn each_command_has_a_page_with_examples_exit_status_and_files() -> Result<()> {
        let folder = tempfile::tempdir()?;
        run(CommandLine::command(), &Arguments { folder: folder.path().to_owned() })?;
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

    #[test]
    fn an_option_is_no_folder() {
        for (word, kind) in [("--help", ErrorKind::DisplayHelp), ("--nonsense", ErrorKind::UnknownArgument)] {
            let parsed = CommandLine::try_parse_from(["ckpt", "manual", word]);
            assert_eq!(parsed.err().map(|error| error.kind()), Some(kind));
        }
    }
}
