//! The versions of the programs that take part, asked while they have other things to do.

use std::process::Command;
use std::thread::{self, JoinHandle};

use crate::external;
use crate::manifest::Versions;
use crate::podman::Podman;

/// Answers on their way.
pub(super) struct Pending(JoinHandle<Versions>);

/// Asks in the background: three programs that start cost some 50 ms, which nobody should wait for.
pub(super) fn ask(podman: &Podman, runtime: &str) -> Pending {
    let (podman, runtime) = (podman.clone(), runtime.to_owned());
    Pending(thread::spawn(move || Versions {
        podman: podman.version().unwrap_or_default(),
        runtime: first_line(&runtime),
        criu: first_line("criu").trim_start_matches("Version: ").to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
    }))
}

impl Pending {
    /// What was found out; nothing if the asking itself broke, for no checkpoint should fail over its label.
    pub(super) fn collect(self) -> Versions {
        self.0.join().unwrap_or_default()
    }
}

fn first_line(program: &str) -> String {
    let output = external::run(Command::new(program).arg("--version"));
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}
