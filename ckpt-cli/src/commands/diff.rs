//! `ckpt diff`.

mod memory;

pub(crate) use memory::MemoryDifferenceJson;

use std::ffi::OsStr;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aligntar::keeps_to_its_line;
use ckpt_core::diff::{DiffReport, Difference, DifferenceError, Letter, between, of_image};
use ckpt_core::operand::Operand;
use clap::Args;

use crate::archive::saved::Archive;
use crate::arguments::{StoreArgument, TableFormat};
use crate::json::json_line;
use crate::messages::warn;
use crate::spool;

/// List what a container changed, or what changed between two checkpoints
///
/// The letter says how: A added, C changed, D deleted. The number is the file's size in bytes; for a deleted file, the
/// size that it had.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A container of podman, Docker or containerd, a process, a merged directory, an archive, or a save, as web~1
    #[arg(value_name = "NAME|PATH|ARCHIVE")]
    name_or_path: String,
    /// Compare the first one with this one, of the same image, instead of with its image
    #[arg(value_name = "NAME|PATH|ARCHIVE")]
    newer: Option<String>,
    /// Take PATH for a mount point as the process PID sees it
    #[arg(long, value_name = "PID", conflicts_with = "newer")]
    pid: Option<u32>,
    /// Compare the memory of two checkpoints: which mappings differ, and by how many pages
    #[arg(long, requires = "newer")]
    memory: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = TableFormat::Table)]
    format: TableFormat,
    #[command(flatten)]
    store: StoreArgument,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let (true, Some(newer)) = (arguments.memory, &arguments.newer) {
        return memory::run([&arguments.name_or_path, newer], &arguments.store, arguments.format);
    }
    let mut lines =
        Lines { out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), format: arguments.format, count: 0 };
    let reported = report(arguments, &mut lines).and_then(|report| {
        lines.finish()?;
        Ok(report)
    });
    match reported {
        // Who closed the pipe has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(report) => {
            if report.image_missing {
                warn("the image is not in this host's storage: what was added is shown as changed");
            }
            Ok(())
        }
    }
}

fn report(arguments: &Arguments, lines: &mut Lines<impl Write>) -> anyhow::Result<DiffReport> {
    let saved = |word: &String| Archive::find_saved_optional(Path::new(word), &arguments.store);
    // As long as these are there, the archives are.
    let (older, newer) = (saved(&arguments.name_or_path)?, arguments.newer.as_ref().map(saved).transpose()?.flatten());
    let operand = match arguments.pid {
        Some(pid) => Operand::of_process(pid, Path::new(&arguments.name_or_path))?,
        None => operand_of(older.as_ref(), &arguments.name_or_path)?,
    };
    let mut visit = |difference| lines.add(&difference);
    Ok(match &arguments.newer {
        Some(word) => between(&operand, &operand_of(newer.as_ref(), word)?, &spool::folder(), &mut visit)?,
        None => of_image(&operand, &spool::folder(), &mut visit)?,
    })
}

fn operand_of(saved: Option<&Archive>, word: &str) -> anyhow::Result<Operand> {
    match saved {
        Some(archive) => Ok(Operand::Archive(archive.path().to_owned())),
        None => Ok(Operand::find(word)?),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let written = match error.downcast_ref() {
        Some(DifferenceError::Visit(error)) => Some(error),
        _ => error.downcast_ref::<io::Error>(),
    };
    written.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Differences on their way out, one line each in both formats.
struct Lines<W> {
    out: W,
    format: TableFormat,
    count: u64,
}

impl<W: Write> Lines<W> {
    fn add(&mut self, difference: &Difference) -> io::Result<()> {
        match self.format {
            TableFormat::Table => self.add_text(difference)?,
            TableFormat::Json => {
                self.out.write_all(if self.count == 0 { b"[\n" } else { b",\n" })?;
                self.out.write_all(json_line(difference).map_err(io::Error::other)?.as_bytes())?;
            }
        }
        self.count += 1;
        Ok(())
    }

    fn add_text(&mut self, difference: &Difference) -> io::Result<()> {
        self.out.write_all(match difference.change {
            Letter::A => b"A ",
            Letter::C => b"C ",
            Letter::D => b"D ",
        })?;
        write_size(&mut self.out, difference.size.or(difference.old_size))?;
        write_escaped(&mut self.out, difference.path.0.as_os_str())?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        if let TableFormat::Json = self.format {
            self.out.write_all(if self.count == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}

/// In a column of 12, without the formatting machinery, which would take longer than all else here.
fn write_size(out: &mut impl Write, size: Option<u64>) -> io::Result<()> {
    let mut column = [b' '; 21];
    let (mut rest, mut first) = (size, 20);
    while let Some(number) = rest {
        first -= 1;
        column[first] = b'0' + u8::try_from(number % 10).expect("below 10");
        rest = Some(number / 10).filter(|rest| *rest > 0);
    }
    out.write_all(&column[first.min(8)..])
}

/// One path stays one line, and a terminal is told nothing else than characters: other bytes are octal escapes, as `ls
/// -b` has them.
fn write_escaped(out: &mut impl Write, path: &OsStr) -> io::Result<()> {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    if path.as_bytes().iter().all(is_plain) {
        return out.write_all(path.as_bytes());
    }
    for chunk in path.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => out.write_all(b"\\\\")?,
                control if !keeps_to_its_line(control) => {
                    write_octal(out, control.encode_utf8(&mut [0; 4]).as_bytes())?
                }
                other => write!(out, "{other}")?,
            }
        }
        write_octal(out, chunk.invalid())?;
    }
    Ok(())
}

fn write_octal(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "\\{byte:03o}"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ckpt_core::BytePath;

    use super::*;

    fn printed(format: TableFormat, differences: &[Difference]) -> anyhow::Result<String> {
        let mut lines = Lines { out: Vec::new(), format, count: 0 };
        for difference in differences {
            lines.add(difference)?;
        }
        lines.finish()?;
        Ok(String::from_utf8(lines.out)?)
    }

    fn difference(change: Letter, path: &[u8], old_size: Option<u64>, size: Option<u64>) -> Difference {
        Difference { change, path: BytePath(PathBuf::from(OsStr::from_bytes(path))), old_size, size }
    }

    #[test]
    fn each_difference_is_one_line_whatever_its_path() -> anyhow::Result<()> {
        let differences = [
            difference(Letter::C, b"/etc", None, None),
            difference(Letter::A, b"/new\n\x1b[2J\xff\\", None, Some(17)),
            difference(Letter::D, "/käse".as_bytes(), Some(3), None),
        ];
        let text = "C              /etc\nA           17 /new\\012\\033[2J\\377\\\\\nD            3 /käse\n";
        assert_eq!(printed(TableFormat::Table, &differences)?, text);
        Ok(())
    }

    #[test]
    fn sizes_stand_in_a_column_or_longer() -> anyhow::Result<()> {
        for size in [0, 9, 10, 123_456_789_012, 1_234_567_890_123, u64::MAX] {
            let mut written = Vec::new();
            write_size(&mut written, Some(size))?;
            assert_eq!(String::from_utf8(written)?, format!("{size:>12} "));
        }
        Ok(())
    }

    #[test]
    fn json_is_one_list() -> anyhow::Result<()> {
        assert_eq!(printed(TableFormat::Json, &[])?, "[]\n");
        let differences = [difference(Letter::C, b"/a", Some(1), Some(2)), difference(Letter::D, b"/\xff", None, None)];
        let list: serde_json::Value = serde_json::from_str(&printed(TableFormat::Json, &differences)?)?;
        assert_eq!(
            list,
            serde_json::json!([
                { "change": "C", "path": "/a", "old_size": 1, "size": 2 },
                { "change": "D", "path": { "hex": "2fff" }, "old_size": null, "size": null },
            ])
        );
        Ok(())
    }
}
