//! What a caller asks of a restore.

use std::path::PathBuf;

use aligntar::ClonePolicy;

pub use crate::archive::Import;
use crate::engine::{RestoreRequest, TakenAlong};
use crate::host::interrupt::Interrupt;

/// What to restore, and how; names and meanings are podman's.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// The archive.
    pub import: Import,
    /// The archive of `podman container checkpoint --pre-checkpoint`, for one made with `--with-previous` after it.
    pub import_previous: Option<PathBuf>,
    /// A name for the container, which gets an ID of its own then; else it gets name, ID, IP and MAC back.
    pub name: Option<String>,
    /// Do not apply changed files.
    pub ignore_rootfs: bool,
    /// Do not restore named volumes.
    pub ignore_volumes: bool,
    /// Do not ask for the same IP address.
    pub ignore_static_ip: bool,
    /// Do not ask for the same MAC address.
    pub ignore_static_mac: bool,
    /// Restore established TCP connections.
    pub tcp_established: bool,
    /// Close established TCP connections.
    pub tcp_close: bool,
    /// Restore file locks.
    pub file_locks: bool,
    /// Keep CRIU's logs in the container's bundle.
    pub keep: bool,
    /// The pod to restore into.
    pub pod: Option<String>,
    /// Ports to publish, each as `podman run -p` takes it.
    pub publish: Vec<String>,
    /// Restore it whoever owns or may write the archive.
    pub trust: bool,
    /// Whose archives are trusted besides root's: a service's client. Else it is who runs this program, and who called
    /// sudo.
    pub caller: Option<u32>,
    /// Take the image that has the recorded name here, though it is another one.
    pub allow_image_mismatch: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether the container runs before its memory is there.
    pub lazy: Lazy,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work; what it had made is removed again.
    pub interrupt: Option<Interrupt>,
}

/// Whether a container runs before its memory is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lazy {
    /// It runs when all is there.
    #[default]
    No,
    /// It runs at once, and its memory follows; where that cannot be, it is told as a warning.
    IfPossible,
    /// The same, but for less than 32 MiB, which are there sooner if they come first.
    IfMuch,
    /// It runs at once, or not at all.
    Always,
}

impl RestoreOptions {
    /// What of them the engine does. Name and ID are in the configuration that it reads.
    pub(super) fn request(&self) -> RestoreRequest {
        RestoreRequest {
            ignore_rootfs: self.ignore_rootfs,
            ignore_static_ip: self.ignore_static_ip,
            ignore_static_mac: self.ignore_static_mac,
            keep_logs: self.keep,
            along: TakenAlong { tcp_established: self.tcp_established, file_locks: self.file_locks },
            pod: self.pod.clone(),
            publish: self.publish.clone(),
        }
    }
}
