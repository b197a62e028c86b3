//! What a client says to `ckpt serve` beside podman's API, and is answered: `docs/socket.md` tells other programs.
//!
//! ```text
//! client ── POST /ckpt/v1/command, descriptors ──> service ── descriptors ──> `ckpt served`, which does the work
//!        ── a Request, then Replies, a line each ─>        ──────────────────>
//!        <──────────────────────── Answers, a line each ──
//! ```

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// Where commands are posted to.
pub(crate) const PATH: &str = "/ckpt/v1/command";

/// The longest request, bytes.
pub(crate) const REQUEST_BYTES: usize = 128 << 10;

/// The most descriptors that come with a request: `SCM_MAX_FD`, net/scm.h.
pub const MOST_DESCRIPTORS: usize = 253;

/// A command line of `ckpt`. Its paths only name what the descriptors are: the service opens none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Without the program.
    pub arguments: Vec<String>,
    /// The terminal that standard error is, if it is one: for a bar that shows the progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Terminal>,
    /// Whose archives are trusted besides root's; heeded of root alone. Otherwise it is who has connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_uid: Option<u32>,
}

/// Its size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// What a client says later on. That it says no more is its wish that the work end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// The archive has its name.
    Kept,
    /// It has not, and why.
    NotKept(String),
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// For standard output.
    Stdout(String),
    /// For standard error.
    Stderr(String),
    /// An archive is whole: it is to be kept, and a [`Reply`] is waited for.
    Whole {
        /// Its descriptor, counted from 0 in the order in which they came.
        descriptor: usize,
        /// What it is called in a folder: the container's name, and an ending.
        name: String,
    },
    /// The exit status: nothing comes after it.
    Status(u8),
}

/// What the service gives to the process that does the work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) arguments: Vec<String>,
    pub(crate) caller: u32,
}

/// What that tells the service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    Whole { descriptor: usize, name: String },
    Done { operation: String, container: Option<String>, outcome: Outcome },
}

/// A line of JSON.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("strings and numbers are JSON");
    line.push(b'\n');
    line
}

/// Lines of what comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// How many of them were looked through for an end: each is looked at once, however small the pieces.
    searched: usize,
}

impl Lines {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line; none if it has not come yet.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<serde_json::Result<T>> {
        let Some(end) = self.bytes[self.searched..].iter().position(|&byte| byte == b'\n') else {
            self.searched = self.bytes.len();
            return None;
        };
        let line: Vec<u8> = self.bytes.drain(..=self.searched + end).collect();
        self.searched = 0;
        Some(serde_json::from_slice(&line))
    }

    /// What has come of a line.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        let mut lines = Lines::default();
        let said = [Answer::Stdout("a\n".to_owned()), Answer::Status(1)];
        let bytes: Vec<u8> = said.iter().flat_map(line).collect();
        let mut read = Vec::new();
        for piece in bytes.chunks(3) {
            lines.add(piece);
            read.extend(std::iter::from_fn(|| lines.next::<Answer>()).map(Result::unwrap));
        }
        assert_eq!(read, said);
        assert_eq!(lines.rest(), b"");
    }

    #[test]
    fn a_request_says_what_is_known_and_no_more() {
        let request: Request = serde_json::from_str(r#"{"arguments":["history"]}"#).unwrap();
        assert_eq!(request, Request { arguments: vec!["history".to_owned()], ..Request::default() });
        assert!(serde_json::from_str::<Request>(r#"{"arguments":[],"folder":"/etc"}"#).is_err());
        assert_eq!(
            String::from_utf8(line(&Answer::Whole { descriptor: 0, name: "web.tar".to_owned() })).unwrap(),
            "{\"whole\":{\"descriptor\":0,\"name\":\"web.tar\"}}\n"
        );
    }
}
