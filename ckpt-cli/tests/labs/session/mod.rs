//! The same session with podman and with `ckpt` in its place, word for word.

use std::fmt;
use std::process::Command;

use crate::lab::{folder, podman, text};
use tempfile::TempDir;

/// What was said to a command, standard output and error together, as scripts, cron and CI take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) text: String,
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.status, self.text.trim_end())
    }
}

/// Commands in their order, and what came of each.
pub(crate) struct Session {
    program: &'static [&'static str],
    folder: TempDir,
    /// Put in front of each command, as `NAME=value`.
    environment: Vec<String>,
    said: Vec<(String, Said)>,
}

impl Session {
    fn new(program: &'static [&'static str]) -> Self {
        Session { program, folder: folder(), environment: Vec::new(), said: Vec::new() }
    }

    /// `podman container …`, or `ckpt …`; `DIR` stands for a folder of the session's own.
    pub(crate) fn run(&mut self, words: &str) -> Said {
        self.say(self.program, words, false)
    }

    /// As [`Session::run`], where only the kind of each value counts: times and sizes are others each time.
    pub(crate) fn measure(&mut self, words: &str) {
        self.say(self.program, words, true);
    }

    /// podman itself, whatever is in its place elsewhere.
    pub(crate) fn podman(&mut self, words: &str) -> Said {
        self.say(&["podman"], words, false)
    }

    /// What a container is afterwards.
    pub(crate) fn state(&mut self, name: &str) {
        let state = "{{.State.Status}}:{{.State.Running}}:{{.State.Paused}}:{{.State.Checkpointed}}:{{.OCIRuntime}}";
        self.podman(&format!("container inspect --format {state} {name}"));
    }

    /// Notes something that both have to agree upon.
    pub(crate) fn note(&mut self, what: &str, value: impl fmt::Display) {
        self.said.push((what.to_owned(), Said { status: 0, text: value.to_string() }));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push(format!("{name}={}", self.in_folder(value)));
    }

    /// `DIR` replaced by the folder's path.
    pub(crate) fn in_folder(&self, words: &str) -> String {
        words.replace("DIR", text(self.folder.path()))
    }

    fn say(&mut self, program: &[&str], words: &str, is_measured: bool) -> Said {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 2>&1", "sh", "env"]).args(&self.environment).args(program);
        let output = command.args(self.in_folder(words).split(' ')).output().unwrap();
        let mut text = without_ids(&String::from_utf8(output.stdout).unwrap());
        text = text.replace(self.folder.path().to_str().unwrap(), "DIR");
        if is_measured {
            text = without_numbers_and_ours(&text);
        }
        let said = Said { status: output.status.code().unwrap(), text };
        println!("{program:?} {words}\n{said}");
        self.said.push((without_ids(words), said.clone()));
        said
    }
}

/// IDs are others each time: 64 hexadecimal digits, or the first 12 of them.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| [12, 64].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    words
        .map(|word| {
            let plain = word.trim_end_matches(|character: char| !character.is_ascii_alphanumeric());
            if is_id(plain) { format!("ID{}", &word[plain.len()..]) } else { word.to_owned() }
        })
        .collect()
}

fn without_numbers_and_ours(json: &str) -> String {
    let mut json: serde_json::Value = serde_json::from_str(json).unwrap();
    for container in json["container_statistics"].as_array_mut().unwrap() {
        container.as_object_mut().unwrap().remove("ckpt");
    }
    let text = json.to_string();
    text.chars().filter(|character| !character.is_ascii_digit()).collect()
}

/// A command that was answered in two ways.
pub(crate) struct Difference {
    pub(crate) command: String,
    podman: Said,
    ckpt: Said,
}

impl Difference {
    /// Whether the table has it just so.
    pub(crate) fn is_documented(&self) -> bool {
        let row = documented().into_iter().find(|row| row.command == self.command);
        row.is_some_and(|row| is(&self.podman, row.podman) && is(&self.ckpt, row.ckpt))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "| `{}` | {} | {} |", self.command, self.podman, self.ckpt)
    }
}

/// Plays `steps` with podman and with `ckpt`, each beginning without containers.
pub(crate) fn compare(steps: impl Fn(&mut Session)) -> Vec<Difference> {
    let play = |program| {
        let mut session = Session::new(program);
        steps(&mut session);
        podman(&["rm", "--all", "--force", "--time", "0"]);
        podman(&["volume", "rm", "--all", "--force"]);
        session.said
    };
    let (podmans, ours) = (play(&["podman", "container"]), play(&[env!("CARGO_BIN_EXE_ckpt")]));
    let commands = |said: &[(String, Said)]| said.iter().map(|(command, _)| command.clone()).collect::<Vec<_>>();
    assert_eq!(commands(&podmans), commands(&ours));
    let pairs = podmans.into_iter().zip(ours).filter(|(podmans, ours)| podmans.1 != ours.1);
    pairs.map(|((command, podman), (_, ckpt))| Difference { command, podman, ckpt }).collect()
}

/// Whether the exit status is the documented one, and the words are among those that were said.
fn is(said: &Said, documented: &str) -> bool {
    let (status, words) = documented.split_once(' ').unwrap();
    said.status.to_string() == status && said.text.contains(words.trim_matches('`'))
}

/// A row of the table in docs/podman.md.
pub(crate) struct Row {
    pub(crate) command: &'static str,
    podman: &'static str,
    ckpt: &'static str,
}

pub(crate) fn documented() -> Vec<Row> {
    let rows = include_str!("../../../docs/podman.md").lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut cells = row.split(" | ").map(|cell| cell.trim_matches(['|', ' ']));
        let mut next = || cells.next().unwrap_or_else(|| panic!("a row without all its cells: {row}"));
        Row { command: next().trim_matches('`'), podman: next(), ckpt: next() }
    })
    .collect()
}
