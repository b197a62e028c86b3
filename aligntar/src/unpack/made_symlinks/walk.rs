//! A walk from directory to directory that stops at each symbolic link.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::beneath::Resolver;
use crate::inode::os;
use crate::unpack::dir_entry::InodeId;
use crate::unpack::error::Refusal;

/// The most links and steps upwards that one path may take; the kernel follows 40 links (path_resolution(7)).
const TURNS: usize = 40;

/// Why a path does not lead anywhere.
pub(crate) enum Unresolved {
    Refused(Refusal),
    Failed(Errno),
}

impl From<Errno> for Unresolved {
    fn from(errno: Errno) -> Self {
        Unresolved::Failed(errno)
    }
}

/// A name that is yet to be entered.
struct Name {
    bytes: Vec<u8>,
    is_of_link: bool,
}

/// A link that stands in the way.
pub(super) struct Link {
    pub(super) path: Vec<u8>,
    pub(super) inode: InodeId,
}

/// A walk from directory to directory that follows nothing by itself.
pub(super) struct Walk<'r> {
    root: BorrowedFd<'r>,
    resolver: Resolver,
    /// Where it is; `None` if that is yet to be opened.
    here: Option<OwnedFd>,
    /// The same as a path without links; empty for the root.
    pub(super) path: Vec<u8>,
    /// The next is last.
    todo: Vec<Name>,
    /// Links and steps upwards so far, each of which costs as much as the whole path.
    turns: usize,
}

impl<'r> Walk<'r> {
    pub(super) fn new(root: BorrowedFd<'r>, resolver: Resolver) -> Self {
        Walk { root, resolver, here: None, path: Vec::new(), todo: Vec::new(), turns: 0 }
    }

    pub(super) fn add(&mut self, path: &[u8], is_of_link: bool) {
        let names = path.split(|&byte| byte == b'/').rev().filter(|name| !matches!(*name, b"" | b"."));
        self.todo.extend(names.map(|name| Name { bytes: name.to_vec(), is_of_link }));
    }

    fn turn(&mut self) -> Result<(), Unresolved> {
        self.turns += 1;
        if self.turns > TURNS { Err(Unresolved::Refused(Refusal::LinkToNothing)) } else { Ok(()) }
    }

    /// Goes on until a link stands in the way; `None` at the end of the path.
    pub(super) fn next_link(&mut self) -> Result<Option<Link>, Unresolved> {
        while let Some(name) = self.todo.pop() {
            if let Some(link) = self.enter(name)? {
                self.turn()?;
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// Goes to `name`, unless that is a link.
    fn enter(&mut self, name: Name) -> Result<Option<Link>, Unresolved> {
        if name.bytes == b".." {
            return self.leave().map(|()| None);
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(self.here()?, os(&name.bytes), flags, Mode::empty()) {
            Err(Errno::NOENT) if name.is_of_link => Err(Unresolved::Refused(Refusal::LinkToNothing)),
            Err(Errno::NOENT) => {
                self.add_missing(name);
                Ok(None)
            }
            opened => self.enter_opened(name, opened?),
        }
    }

    fn enter_opened(&mut self, name: Name, opened: OwnedFd) -> Result<Option<Link>, Unresolved> {
        let stat = fstat(&opened)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                push(&mut self.path, &name.bytes);
                self.here = Some(opened);
                Ok(None)
            }
            FileType::Symlink => {
                let mut path = self.path.clone();
                push(&mut path, &name.bytes);
                Ok(Some(Link { path, inode: InodeId::of(&stat) }))
            }
            _ if name.is_of_link => Err(Unresolved::Refused(Refusal::LinkToNothing)),
            _ => Err(Unresolved::Refused(Refusal::ThroughFile)),
        }
    }

    /// Goes up: the path has no links, so that it is the one without its last name.
    fn leave(&mut self) -> Result<(), Unresolved> {
        if self.path.is_empty() {
            return Err(Unresolved::Refused(Refusal::LinkToOutside));
        }
        let slash = self.path.iter().rposition(|&byte| byte == b'/');
        self.path.truncate(slash.unwrap_or(0));
        self.here = None;
        Ok(())
    }

    fn here(&mut self) -> Result<BorrowedFd<'_>, Unresolved> {
        if self.path.is_empty() {
            return Ok(self.root);
        }
        if self.here.is_none() {
            self.turn()?;
            self.here = Some(self.resolver.open(self.root, &self.path, OFlags::PATH)?);
        }
        Ok(self.here.as_ref().expect("it was opened above").as_fd())
    }

    /// Nothing exists from here on. Names of links come before all others, so only names of the path itself are left.
    fn add_missing(&mut self, name: Name) {
        push(&mut self.path, &name.bytes);
        while let Some(name) = self.todo.pop() {
            push(&mut self.path, &name.bytes);
        }
    }
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}
