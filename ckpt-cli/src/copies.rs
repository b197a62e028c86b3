//! Copies of a container: a line for each as it becomes ready.

use std::fmt::Write;
use std::num::NonZeroU32;

use aligntar::Transferred;
use anyhow::Result;
use ckpt_core::progress::{Phase, Progress};
use ckpt_core::restore::RestoreError;
use ckpt_core::restore::copies::{CopiesProgress, PublishedPort, ReadyCopy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::TextFormat;
use crate::json::json_line;
use crate::messages::{complain_of, print_line};
use crate::progress::ProgressLine;

/// What is shown while they are made.
pub(crate) struct CopiesLine {
    line: ProgressLine,
    format: TextFormat,
    count: NonZeroU32,
    ready: u32,
    /// Whether standard output takes no more.
    unprinted: Result<()>,
}

impl CopiesLine {
    pub(crate) fn new(verb: &'static str, count: NonZeroU32, format: TextFormat) -> Self {
        CopiesLine { line: ProgressLine::of_copies(verb, count.get()), format, count, ready: 0, unprinted: Ok(()) }
    }

    /// Takes the line away; an error if a copy could not be told.
    pub(crate) fn finish(self) -> Result<()> {
        self.line.finish();
        self.unprinted
    }
}

impl Progress for CopiesLine {
    fn phase(&mut self, phase: Phase) {
        self.line.phase(phase);
    }

    fn member(&mut self, path: &[u8], moved: Transferred) {
        self.line.member(path, moved);
    }

    fn memory(&mut self, arrived: u64, total: u64) {
        self.line.memory(arrived, total);
    }

    fn warning(&mut self, text: &str) {
        self.line.warning(text);
    }
}

impl CopiesProgress for CopiesLine {
    fn ready(&mut self, copy: &ReadyCopy) {
        self.ready += 1;
        let text = match self.format {
            TextFormat::Text => Ok(line_of(copy)),
            TextFormat::Json => json_line(&CopyJson::of(copy)),
        };
        let printed = self.line.lines().suspend(|| text.and_then(print_line));
        self.unprinted = std::mem::replace(&mut self.unprinted, Ok(())).and(printed);
        self.line.copies(self.ready, self.count.get());
    }

    fn failed(&mut self, name: &str, error: RestoreError) {
        self.line.lines().suspend(|| complain_of(name, &error.into()));
    }
}

fn line_of(copy: &ReadyCopy) -> String {
    let mut line = format!("{} {}", copy.name, copy.id);
    for PublishedPort { container, host_ip, host_port } in &copy.ports {
        let host = match &host_ip[..] {
            "" => String::new(),
            ip if ip.contains(':') => format!("[{ip}]:"),
            ip => format!("{ip}:"),
        };
        write!(line, " {host}{host_port}->{container}").expect("a string takes all");
    }
    line
}

/// A copy that is ready, as `--format json` prints it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Copy")]
pub(crate) struct CopyJson {
    /// From 1.
    number: u32,
    name: String,
    id: String,
    ports: Vec<PublishedPort>,
    /// From the beginning of all until it was ready.
    elapsed_us: u64,
}

impl CopyJson {
    fn of(copy: &ReadyCopy) -> Self {
        CopyJson {
            number: copy.number,
            name: copy.name.clone(),
            id: copy.id.clone(),
            ports: copy.ports.clone(),
            elapsed_us: copy.elapsed.as_micros() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_one_line() {
        let port = |host_ip: &str| PublishedPort {
            container: "80/tcp".to_owned(),
            host_ip: host_ip.to_owned(),
            host_port: "8083".to_owned(),
        };
        let copy = ReadyCopy {
            number: 3,
            name: "w-3".to_owned(),
            id: "ab".to_owned(),
            ports: vec![port(""), port("127.0.0.1"), port("::1")],
            elapsed: std::time::Duration::from_millis(7),
            moved: Transferred::default(),
        };
        assert_eq!(line_of(&copy), "w-3 ab 8083->80/tcp 127.0.0.1:8083->80/tcp [::1]:8083->80/tcp");
        let json = serde_json::to_value(CopyJson::of(&copy)).unwrap();
        assert_eq!((&json["number"], &json["ports"][1]["host_ip"]), (&3.into(), &"127.0.0.1".into()));
    }
}
