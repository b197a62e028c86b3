//! What a caller asks of a checkpoint.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use aligntar::ClonePolicy;

use super::loan::Loan;
use super::sink::Sink;
use crate::archive::compression::Compression;
use crate::archive::encryption::Recipients;
use crate::archive::manifest::ManifestSave;
use crate::engine::{DumpRequest, TakenAlong};
use crate::host::interrupt::Interrupt;

/// What to checkpoint, and how; names and meanings are podman's.
#[derive(Clone, Debug, Default)]
pub struct CheckpointOptions {
    /// Name or ID of a running container.
    pub container: String,
    /// Where the archive goes.
    pub export: Export,
    /// Leave the container running.
    pub leave_running: bool,
    /// Compression of the archive.
    pub compress: Compression,
    /// Who alone can read the archive, which has to be a file then. Nothing can be cloned from it.
    #[cfg(feature = "encryption")]
    pub recipients: Option<Recipients>,
    /// Leave changed files out.
    pub ignore_rootfs: bool,
    /// Leave named volumes out.
    pub ignore_volumes: bool,
    /// Keep CRIU's logs in the container's bundle.
    pub keep: bool,
    /// If something fails once the dump has succeeded, leave the container stopped, not restored in place.
    pub keep_stopped: bool,
    /// Checkpoint established TCP connections.
    pub tcp_established: bool,
    /// Leave established TCP connections out: they stay with the container, and are closed in what is restored. For a
    /// container that is left running.
    pub tcp_close: bool,
    /// Checkpoint file locks.
    pub file_locks: bool,
    /// Dump only the memory that changed since `podman container checkpoint --pre-checkpoint`.
    pub with_previous: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// How often what cannot be cloned is copied before the freeze, at most: what has changed since is copied in it. None
    /// with 0. By default up to five times, as long as each copies half of what the one before did, or less.
    pub passes: Option<u32>,
    /// What the archive is in a history.
    pub save: Option<ManifestSave>,
    /// Stops the work: the dump is undone, if CRIU was not told to carry on yet.
    pub interrupt: Option<Interrupt>,
}

/// Where an archive goes.
#[derive(Clone, Debug)]
pub enum Export {
    /// This file; an older one of that name is replaced at the very end.
    File(PathBuf),
    /// The file `NAME.tar`, or `.tar.gz` or `.tar.zst`, in this folder, after the container's name.
    Folder(PathBuf),
    /// Standard output, once the tasks run again or are gone.
    Stdout,
    /// This writer, once the tasks run again or are gone.
    Sink(Sink),
    /// This open pipe, in the same way.
    Pipe(Arc<File>),
    /// An open file of somebody else's, who names it.
    Lent(Loan),
    /// A file beside the container's storage that gets no name: for [`checkpoint_open`](super::checkpoint_open).
    Nameless,
}

impl Default for Export {
    /// A file without a name, which is an error.
    fn default() -> Self {
        Export::File(PathBuf::new())
    }
}

impl<P: Into<PathBuf>> From<P> for Export {
    fn from(path: P) -> Self {
        Export::File(path.into())
    }
}

impl CheckpointOptions {
    /// What of them the engine does.
    pub(super) fn request(&self) -> DumpRequest {
        DumpRequest {
            leave_running: self.leave_running,
            keep_logs: self.keep,
            with_previous: self.with_previous,
            along: self.along(),
        }
    }

    /// What a restore in place needs as well.
    pub(super) fn along(&self) -> TakenAlong {
        TakenAlong { tcp_established: self.tcp_established, file_locks: self.file_locks }
    }

    /// How the archive is packed on its way to its place.
    pub(super) fn packing(&self) -> (Compression, Option<&Recipients>) {
        #[cfg(feature = "encryption")]
        return (self.compress, self.recipients.as_ref());
        #[cfg(not(feature = "encryption"))]
        (self.compress, None)
    }

    /// Those that are given, as podman spells them.
    pub(super) fn flags(&self) -> Vec<String> {
        let flags = [
            (self.leave_running, "--leave-running"),
            (self.keep, "--keep"),
            (self.tcp_established, "--tcp-established"),
            (self.file_locks, "--file-locks"),
            (self.with_previous, "--with-previous"),
            (self.ignore_rootfs, "--ignore-rootfs"),
            (self.ignore_volumes, "--ignore-volumes"),
        ];
        flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned()).collect()
    }
}
