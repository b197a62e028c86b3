//! `ckpt serve`.

use std::time::Duration;

use anyhow::Result;
use ckpt_serve::{ServeOptions, serve};
use clap::Args;

use crate::arguments::SocketArgument;

/// Offer podman's API on a socket, with fast checkpoints and restores
///
/// Every client of podman can use it: `podman --url unix:///run/ckpt/ckpt.sock`. Checkpoints to an archive and restores
/// from one are done by ckpt, all else by podman's own service.
///
/// `ckpt --url unix:///run/ckpt/ckpt.sock` as well: it opens files with the rights of its user, and data is cloned into them.
///
/// Whoever may connect can become root, as with podman's own socket: choose the group accordingly. Each operation is
/// noted on standard error, one line of JSON with the caller's user.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where clients connect: unix:///PATH, or a path. With a socket that systemd passes on, that one
    #[arg(value_name = "SOCKET", default_value = "unix:///run/ckpt/ckpt.sock")]
    socket: SocketArgument,
    /// Let the members of this group connect. By default only root may
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// The socket of podman's own service. By default /run/podman/podman.sock; where that is not, a service is started,
    /// and ended with this one
    #[arg(long, value_name = "SOCKET")]
    upstream: Option<SocketArgument>,
    /// End after so many seconds without a connection; 0 is never
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    time: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let SocketArgument(socket) = arguments.socket.clone();
    let upstream = arguments.upstream.clone().map(|SocketArgument(path)| path);
    let idle = (arguments.time > 0).then(|| Duration::from_secs(arguments.time));
    Ok(serve(&ServeOptions { socket, group: arguments.group.clone(), upstream, idle })?)
}
