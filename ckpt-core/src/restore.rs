//! `restore`: an archive becomes a running container of podman again.
//!
//! ```text
//! plan ─ podman starts ─ reads config.dump ─ makes the container ─ waits ─ everything is put in place ─ goes on ─ CRIU
//! ```

mod door;
mod error;
mod parts;
mod place;
mod plan;
mod readahead;
mod run;
mod trust;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::{ClonePolicy, Transferred};

use crate::interrupt::Interrupt;
use crate::progress::Progress;
pub use error::{PlaceAllError, RestoreError, RunError};
use plan::RestorePlan;
use run::Run;
pub use trust::TrustError;

/// What to restore, and how; names and meanings are podman's.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// The archive.
    pub import: PathBuf,
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
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work; what it had made is removed again.
    pub interrupt: Option<Interrupt>,
}

impl RestoreOptions {
    fn podman_flags(&self) -> Vec<String> {
        let flags = [
            (self.ignore_rootfs, "--ignore-rootfs"),
            (self.ignore_volumes, "--ignore-volumes"),
            (self.ignore_static_ip, "--ignore-static-ip"),
            (self.ignore_static_mac, "--ignore-static-mac"),
            (self.tcp_established, "--tcp-established"),
            (self.tcp_close, "--tcp-close"),
            (self.file_locks, "--file-locks"),
            (self.keep, "--keep"),
        ];
        let switches = flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned());
        let valued = |flag: &str, value: &String| format!("--{flag}={value}");
        switches
            .chain(self.name.iter().map(|name| valued("name", name)))
            .chain(self.pod.iter().map(|pod| valued("pod", pod)))
            .chain(self.publish.iter().map(|port| valued("publish", port)))
            .collect()
    }
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct RestoreReport {
    /// The container's ID.
    pub id: String,
    /// From the first look at the archive to the running container.
    pub elapsed: Duration,
    /// Of that, the time in which files were put in place.
    pub place: Duration,
    /// How the data moved out of the archive.
    pub moved: Transferred,
    /// podman's `--print-stats`.
    pub podman_stats: serde_json::Value,
}

/// Makes a running container of an archive.
///
/// # Errors
/// [`RestoreError`]; a container or volume that a failed restore had made is removed again.
pub fn restore(options: &RestoreOptions, progress: &mut dyn Progress) -> Result<RestoreReport, RestoreError> {
    let started = Instant::now();
    let plan = RestorePlan::make(options, progress)?;
    let mut run = Run::new(&plan, options, progress);
    match run.run() {
        Ok(podman_stats) => Ok(RestoreReport {
            id: run.container.take().map(|container| container.id).unwrap_or_default(),
            elapsed: started.elapsed(),
            place: run.place,
            moved: run.moved,
            podman_stats,
        }),
        Err(source) => {
            run.undo(&source);
            Err(RestoreError::Run { path: options.import.clone(), source: Box::new(source) })
        }
    }
}
