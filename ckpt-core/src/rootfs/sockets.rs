//! Sockets of a root filesystem, read from a diff and made again in an upperdir.

use std::collections::HashMap;

use layerfs::{AccessError, ApplyError, NodeAttributes, Present, Upperdir, Xattr};

use crate::archive::supplement::Socket;
use crate::host::byte_path::{BytePath, from_hex, to_hex};

/// Sockets as a walk finds them; the further names of one are hard links to the first.
#[derive(Default)]
pub(super) struct Sockets {
    sockets: Vec<Socket>,
    first_names: HashMap<(u64, u64), BytePath>,
}

impl Sockets {
    pub(super) fn add(&mut self, present: &Present<'_>) -> Result<(), AccessError> {
        let inode = (present.stat.st_dev, present.stat.st_ino);
        let path = BytePath(present.path.into());
        let socket = match self.first_names.get(&inode) {
            Some(first) => Socket { path, link: Some(first.clone()), ..Socket::default() },
            None => read(present)?,
        };
        if present.stat.st_nlink > 1 && socket.link.is_none() {
            self.first_names.insert(inode, socket.path.clone());
        }
        self.sockets.push(socket);
        Ok(())
    }

    pub(super) fn into_inner(self) -> Vec<Socket> {
        self.sockets
    }
}

fn read(present: &Present<'_>) -> Result<Socket, AccessError> {
    let stat = &present.stat;
    let xattrs = present.xattrs()?.into_iter().filter(|xattr| xattr.name != b"security.selinux");
    // The kernel's names of attributes are ASCII for all but `user.`, which sockets cannot have (xattr(7)).
    let xattrs =
        xattrs.map(|Xattr { name, value }| (String::from_utf8_lossy(&name).into_owned(), to_hex(&value))).collect();
    Ok(Socket {
        path: BytePath(present.path.into()),
        link: None,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: (stat.st_mtime, stat.st_mtime_nsec as u32),
        xattrs,
    })
}

/// Makes `socket` in the upperdir.
pub(super) fn make(socket: &Socket, upperdir: &mut Upperdir) -> Result<(), ApplyError> {
    if let Some(original) = &socket.link {
        return upperdir.make_link(original.as_ref(), socket.path.as_ref());
    }
    let values = socket
        .xattrs
        .iter()
        .filter_map(|(name, value)| Some(Xattr { name: name.clone().into_bytes(), value: from_hex(value)? }));
    let attributes = NodeAttributes {
        mode: socket.mode,
        uid: socket.uid,
        gid: socket.gid,
        mtime: socket.mtime,
        xattrs: values.collect(),
    };
    upperdir.make_socket(socket.path.as_ref(), &attributes)
}
