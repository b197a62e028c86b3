//! Sections of a page that clap does not know.

use clap::Command;
use clap_mangen::roff::{Roff, bold, italic, roman};

use super::examples::Example;

/// Of commands that say nothing else.
const EXIT_STATUS: &str = "0 if everything was done, 1 if something failed, 2 for a wrong command line.";

/// How the help of a command begins to tell of it. Some say whose it is, up to the colon.
const PREFIX: &str = "Exit status";

const FILES: [(&str, &str); 5] = [
    ("/etc/ckpt/ckpt.toml", "Where the saves are (store = \"FOLDER\"), and which are kept (the table [retention])."),
    ("/var/lib/containers/ckpt", "The saves, if that file says nothing: the folder ckpt beside podman's storage."),
    ("/run/ckpt/sessions", "What runs keep while they work. A boot empties it."),
    ("/run/ckpt/ckpt.sock", "The socket of ckpt-serve(1)."),
    ("/run/ckpt/clone.json", "In a copy that was made with --announce: which one it is."),
];

const ENVIRONMENT: [(&str, &str); 6] = [
    ("CKPT_HOST", "The socket of a service that does the work, as with --url. See ckpt-serve(1)."),
    ("TMPDIR", "Where an archive is unpacked or decrypted to be looked at; by default /var/tmp."),
    ("CONTAINER_HOST, CONTAINER_CONNECTION", "podman's. If they name another host, ckpt has to run there."),
    ("CONTAINERS_CONF, CONTAINERS_STORAGE_CONF", "podman's configuration, and that of its storage."),
    ("REGISTRY_AUTH_FILE", "Where podman login keeps passwords of registries."),
    ("NO_COLOR, CLICOLOR, CLICOLOR_FORCE", "Whether words are coloured, see --color."),
];

pub(super) fn exit_status(command: &Command) -> Roff {
    let said = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let told = said.split_once(": ").filter(|(title, _)| title.starts_with(PREFIX));
    let text = told.map_or(EXIT_STATUS, |(_, text)| text).to_owned();
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]).text([roman(text)]);
    roff
}

pub(super) fn examples(examples: &[&Example]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXAMPLES"]);
    for example in examples {
        roff.control("PP", []).text([roman(format!("{}:", example.what))]);
        roff.control("RS", ["4"]).control("nf", []).text([bold(example.line)]).control("fi", []).control("RE", []);
    }
    roff
}

pub(super) fn environment() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, text) in ENVIRONMENT {
        roff.control("TP", []).text([bold(name)]).text([roman(text)]);
    }
    roff
}

pub(super) fn files() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["FILES"]);
    for (path, what) in FILES {
        roff.control("TP", []).text([italic(path)]).text([roman(what)]);
    }
    roff
}

pub(super) fn see_also(name: &str) -> Roff {
    let ours = (name != "ckpt").then_some("ckpt");
    let podmans = match name {
        "ckpt-checkpoint" | "ckpt-restore" => Some(name.replace("ckpt-", "podman-container-")),
        _ => None,
    };
    let pages = ours.into_iter().map(str::to_owned).chain(podmans).chain(["podman".to_owned()]);
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for page in pages {
        words.extend([bold(page), roman("(1), ")]);
    }
    words.extend([bold("criu"), roman("(8)")]);
    roff.text(words);
    roff
}
