//! A directory of the merged tree during the walk.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::Stat;

use crate::lower::{LowerError, Lowers, OpenParts, Part};

/// The upper part of a directory.
#[derive(Debug)]
pub(super) enum Upper {
    /// There is none: below a renamed directory where only lower layers contribute.
    None,
    /// Shared with the jobs ahead of the walk, which do not keep it open.
    Open(Arc<OwnedFd>),
    /// To be opened again.
    Closed,
}

impl Upper {
    fn close(&mut self) {
        if matches!(self, Self::Open(_)) {
            *self = Self::Closed;
        }
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.shared().map(AsFd::as_fd)
    }

    pub(super) fn shared(&self) -> Option<&Arc<OwnedFd>> {
        match self {
            Self::Open(fd) => Some(fd),
            Self::None | Self::Closed => None,
        }
    }
}

/// Where a directory of the merged tree gets its content from, and what stood in its place before.
#[derive(Debug)]
pub(super) struct Dir {
    /// Relative to the root.
    pub(super) path: PathBuf,
    /// For messages.
    pub(super) host_path: PathBuf,
    pub(super) upper: Upper,
    /// Lower directories that merge into this one: none below an opaque directory, others than `base` below a renamed.
    pub(super) merged: Vec<Part>,
    /// Lower directories at the same path when there is no upper layer.
    pub(super) base: Vec<Part>,
    /// The same, opened at the first question.
    open_base: OnceCell<OpenParts>,
}

impl Dir {
    pub(super) fn new(path: PathBuf, host_path: PathBuf, upper: Upper, merged: Vec<Part>, base: Vec<Part>) -> Self {
        Self { path, host_path, upper, merged, base, open_base: OnceCell::new() }
    }

    /// What the lower layers alone show in place of `name`.
    pub(super) fn shown_by_base(&self, lowers: &Lowers, name: &OsStr) -> Result<Option<Stat>, LowerError> {
        if self.base.is_empty() {
            return Ok(None);
        }
        let open = match self.open_base.get() {
            Some(open) => open,
            None => {
                let open = lowers.open_parts(&self.base)?;
                self.open_base.get_or_init(|| open)
            }
        };
        lowers.shown(open, name)
    }

    pub(super) fn close(&mut self) {
        self.upper.close();
        self.open_base.take();
    }
}
