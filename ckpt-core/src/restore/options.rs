//! What a caller asks of a restore.

use std::path::PathBuf;

use aligntar::ClonePolicy;

pub use crate::archive::Import;
use crate::interrupt::Interrupt;

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
    /// Take the image that has the recorded name here, though it is another one.
    pub allow_image_mismatch: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work; what it had made is removed again.
    pub interrupt: Option<Interrupt>,
}

impl RestoreOptions {
    /// Without `--name`: name and ID are in the configuration that podman reads.
    pub(crate) fn podman_flags(&self) -> Vec<String> {
        let flags = [
            (self.ignore_rootfs, "--ignore-rootfs"),
            // Their making and filling is ours.
            (true, "--ignore-volumes"),
            (self.ignore_static_ip, "--ignore-static-ip"),
            (self.ignore_static_mac, "--ignore-static-mac"),
            (self.tcp_established, "--tcp-established"),
            (self.file_locks, "--file-locks"),
            (self.keep, "--keep"),
        ];
        let switches = flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned());
        let valued = |flag: &str, value: &String| format!("--{flag}={value}");
        switches
            .chain(self.pod.iter().map(|pod| valued("pod", pod)))
            .chain(self.publish.iter().map(|port| valued("publish", port)))
            .collect()
    }
}
