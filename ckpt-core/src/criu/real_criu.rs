//! Becomes the real criu, with a configuration of ours, when a runtime has found this program first in PATH.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{Mode, OFlags};

use super::configuration;
use super::lazy_request;
use crate::host::programs;

/// Name of CRIU's configuration in the session folder.
const CONFIG: &str = "criu.conf";

/// Executes the real criu with our configuration; returns only if that fails.
pub(crate) fn execute() -> u8 {
    let is_ours = |folder: &PathBuf| folder.join("criu").exists() && folder.with_file_name(CONFIG).exists();
    let path = env::var_os("PATH").unwrap_or_default();
    let (ours, others): (Vec<PathBuf>, Vec<PathBuf>) = env::split_paths(&path).partition(is_ours);
    let Some(folder) = ours.first() else {
        eprintln!("ckpt: called as criu, but PATH holds no session of ckpt");
        return 127;
    };
    let others = env::join_paths(others).unwrap_or_default();
    leave_mark(folder);
    let Some(criu) = programs::candidates_in(&others, "criu").next() else {
        eprintln!("ckpt: criu is not in PATH");
        return 127;
    };
    let config = folder.with_file_name(CONFIG);
    if let Some(socket) = socket_of_swrk()
        && fs::read_to_string(&config).is_ok_and(|lines| lines.contains(configuration::LAZY_PAGES))
    {
        lazy_request::ask_for_lazy_pages(socket);
    }
    let error = Command::new(&criu)
        .args(env::args_os().skip(1))
        .env("PATH", others)
        .env(configuration::VARIABLE, config)
        .exec();
    eprintln!("ckpt: cannot execute {}: {error}", criu.display());
    127
}

/// The socket that a runtime talks to CRIU through: it starts `criu swrk FD`.
fn socket_of_swrk() -> Option<i32> {
    let mut arguments = env::args().skip(1);
    (arguments.next()? == "swrk").then(|| arguments.next()?.parse().ok())?
}

/// What CRIU has open that was started for `session`, and all that it forks.
pub(crate) fn mark(session: &Path) -> PathBuf {
    session.join(CONFIG)
}

/// Opens the mark of the session whose programs are in `bin`, for what this process becomes.
fn leave_mark(bin: &Path) {
    let opened = rustix::fs::open(bin.with_file_name(CONFIG), OFlags::RDONLY, Mode::empty());
    // Without the mark, less is known to be ours: nothing of others is harmed.
    let _ = opened.map(std::os::fd::IntoRawFd::into_raw_fd);
}
