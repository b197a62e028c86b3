//! `--url` and CKPT_HOST: a service does what the command line says, as if it was done here.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::{env, iter};

use anyhow::{Context, Result, ensure};
use ckpt_serve::{Listener, Request, Terminal};
use rustix::termios::tcgetwinsize;

use crate::arguments::SocketArgument;
use crate::color;
use crate::command_line::CommandLine;
use crate::commands::{Command, Place};
use crate::lending::Lending;

/// As podman's CONTAINER_HOST.
const HOST: &str = "CKPT_HOST";

/// The user behind sudo(8).
const SUDO_UID: &str = "SUDO_UID";

/// Has a service do what the command line says, if one is wanted; gives the exit status then.
pub(crate) fn run(line: &CommandLine, command: &Command) -> Result<Option<ExitCode>> {
    let Some(socket) = line.url.clone().map_or_else(host, |url| Ok(Some(url)))? else { return Ok(None) };
    match command.place()? {
        Place::Service(lending) => ask(&socket, lending).map(Some),
        Place::Here => Ok(None),
        Place::OnlyHere => {
            ensure!(
                line.url.is_none(),
                "this works with files of this user, and no service is needed: leave --url away"
            );
            Ok(None)
        }
    }
}

/// The service of the environment.
fn host() -> Result<Option<SocketArgument>> {
    let Some(host) = env::var_os(HOST).filter(|host| !host.is_empty()) else { return Ok(None) };
    let parsed = host.to_str().context("it is no text").and_then(|host| host.parse().map_err(anyhow::Error::msg));
    parsed.map(Some).context(HOST)
}

fn ask(SocketArgument(socket): &SocketArgument, mut lending: Lending) -> Result<ExitCode> {
    let request = Request { arguments: arguments(), terminal: terminal(), sudo_uid: sudo_uid() };
    let descriptors = lending.descriptors();
    let mut client = Client { lending };
    let status = ckpt_serve::command(socket, &request, descriptors, &mut client)?;
    client.lending.finish()?;
    Ok(status.into())
}

/// Paths of any bytes are names here. The service does not see this environment, which decides on colours.
fn arguments() -> Vec<String> {
    let given = env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let colors = if color::is_on_stderr() { "--color=always" } else { "--color=never" };
    iter::once(colors.to_owned()).chain(given).collect()
}

fn terminal() -> Option<Terminal> {
    let size = tcgetwinsize(stderr()).ok().filter(|_| stderr().is_terminal())?;
    Some(Terminal { columns: size.ws_col, rows: size.ws_row })
}

/// Only who is root can say so, as on the command line.
fn sudo_uid() -> Option<u32> {
    env::var(SUDO_UID).ok().filter(|_| rustix::process::geteuid().is_root())?.parse().ok()
}

struct Client {
    lending: Lending,
}

impl Listener for Client {
    // Who closed them does not want it: that is no failure of what was done.
    fn stdout(&mut self, text: &str) {
        let _ = write(&mut stdout(), text);
    }

    fn stderr(&mut self, text: &str) {
        let _ = write(&mut stderr(), text);
    }

    fn keep(&mut self, descriptor: usize, name: &str) -> Result<(), String> {
        self.lending.keep(descriptor, name).map_err(|error| format!("{error:#}"))
    }
}

fn write(to: &mut impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
