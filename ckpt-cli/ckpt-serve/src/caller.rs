//! Who is at the other end of a connection, as the kernel noted it when the connection was made: SO_PEERCRED, unix(7).

use std::io;

use nix::unistd::{Uid, User};
use tokio::net::UnixStream;

use crate::descriptors::Lent;
use crate::wire::Receipt;

/// A user, and the process that has connected.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    /// The user's name, if it has one here.
    pub(crate) user: Option<String>,
    pub(crate) pid: Option<i32>,
}

impl Caller {
    pub(crate) fn of(socket: &UnixStream) -> io::Result<Self> {
        let credentials = socket.peer_cred()?;
        let uid = credentials.uid();
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
        Ok(Caller { uid, user, pid: credentials.pid() })
    }
}

/// Who asks, and over which connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) caller: Caller,
    pub(crate) receipt: Receipt,
    /// What came with the first byte.
    pub(crate) lent: Lent,
}
