//! What was found, one line each.

use std::io::{self, BufWriter, Write};

use ckpt_core::BytePath;
use ckpt_core::memory::Match;
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::TableFormat;
use crate::json::json_line;
use crate::names::{json_bytes, printable};

/// What `--format json` prints of each match.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Match")]
pub(crate) struct MatchJson {
    /// The process that has it in memory.
    pid: u32,
    /// Where it begins, in hexadecimal.
    address: String,
    /// Its length in bytes.
    length: u64,
    /// Of its mapping, as in /proc/PID/maps.
    permissions: String,
    /// The file of its mapping, or what /proc/PID/maps calls that.
    name: BytePath,
    /// What lies in front of it.
    before: BytePath,
    /// Its first bytes.
    text: BytePath,
    /// What lies behind it.
    after: BytePath,
}

/// Lines on their way out.
pub(super) struct Lines<W: Write> {
    out: BufWriter<W>,
    format: TableFormat,
    count: u64,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W, format: TableFormat) -> Self {
        Lines { out: BufWriter::new(out), format, count: 0 }
    }

    pub(super) fn add(&mut self, found: &Match<'_>) -> io::Result<()> {
        let permissions = found.mapping.map_or("", |mapping| &mapping.permissions);
        let name = found.mapping.map_or(&b""[..], |mapping| mapping.kind.name());
        let Match { pid, address, length, before, text, after, .. } = *found;
        match self.format {
            TableFormat::Table => {
                let name = if name.is_empty() { "[anonymous]".into() } else { printable(name) };
                let shown = [before, text, after].map(printable);
                let [before, text, after] = shown;
                let cut = if found.text.len() as u64 == length { "" } else { "…" };
                writeln!(self.out, "{pid} {address:#014x} {permissions} {name}: {before}»{text}{cut}«{after}")?;
            }
            TableFormat::Json => {
                self.out.write_all(if self.count == 0 { b"[\n" } else { b",\n" })?;
                let line = json_line(&MatchJson {
                    pid,
                    address: format!("{address:#x}"),
                    length,
                    permissions: permissions.to_owned(),
                    name: json_bytes(name),
                    before: json_bytes(before),
                    text: json_bytes(text),
                    after: json_bytes(after),
                });
                self.out.write_all(line.map_err(io::Error::other)?.as_bytes())?;
            }
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        if let TableFormat::Json = self.format {
            self.out.write_all(if self.count == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(format: TableFormat, text: &[u8]) -> String {
        let mut out = Vec::new();
        let mut lines = Lines::new(&mut out, format);
        let found = Match {
            pid: 7,
            address: 0x1000,
            length: text.len() as u64,
            mapping: None,
            before: b"\x1b[2J\0",
            text,
            after: b"\n\xff",
        };
        lines.add(&found).and_then(|()| lines.finish()).expect("memory takes it");
        drop(lines);
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn nothing_of_a_process_reaches_a_terminal_as_it_is() {
        let text = "7 0x000000001000  [anonymous]: \\u{1b}[2J\\u{0}»secret«\\n\\xff\n";
        assert_eq!(printed(TableFormat::Table, b"secret"), text);
        let json: serde_json::Value = serde_json::from_str(&printed(TableFormat::Json, b"secret")).expect("JSON");
        assert_eq!(json[0]["after"], json!({ "hex": "0aff" }));
        assert_eq!(json[0]["text"], "secret");
    }
}
