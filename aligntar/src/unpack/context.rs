//! The member that is being made, for errors.

use rustix::io::Errno;

use super::error::{Refusal, UnpackError};
use crate::entry::Entry;
use crate::shown::lossy;
use crate::transfer::TransferError;

/// The member that is being made, for errors.
#[derive(Clone, Copy)]
pub(super) struct Context<'m> {
    pub(super) path: &'m [u8],
    pub(super) offset: u64,
}

impl Context<'_> {
    pub(super) fn refused(self, why: Refusal) -> UnpackError {
        UnpackError::Refused { path: lossy(self.path), offset: self.offset, why }
    }

    /// Names what [`Resolver::open`](crate::beneath::Resolver::open) found in a directory's place.
    pub(super) fn unresolved(self, errno: Errno) -> UnpackError {
        match errno {
            Errno::LOOP | Errno::XDEV => self.refused(Refusal::ThroughSymlink),
            Errno::NOTDIR => self.refused(Refusal::ThroughFile),
            errno => self.failed("open its directory")(errno),
        }
    }

    pub(super) fn failed(self, call: &'static str) -> impl FnOnce(Errno) -> UnpackError {
        move |source| UnpackError::Call { path: lossy(self.path), offset: self.offset, call, source }
    }

    pub(super) fn no_attribute(self, name: &[u8], source: Errno) -> UnpackError {
        UnpackError::Attribute { path: lossy(self.path), offset: self.offset, name: lossy(name), source }
    }

    /// The archive itself could not be used.
    pub(super) fn unreadable(self, entry: &Entry, source: std::io::Error) -> UnpackError {
        self.data_error(TransferError::Read { offset: entry.data_offset, source })
    }

    pub(super) fn data_error(self, source: TransferError) -> UnpackError {
        UnpackError::Data { path: lossy(self.path), offset: self.offset, source }
    }
}
