//! `restore`: an archive becomes a running container of podman again.
//!
//! ```text
//! plan ─ podman starts ─ reads config.dump ─ makes the container ─ waits ─ everything is put in place ─ goes on ─ CRIU
//! ```

mod door;
mod place;
mod plan;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::{ClonePolicy, Transferred, WriteError};
use layerfs::{Container, ContainersStorageError};

use crate::archive::ArchiveError;
use crate::child::{ChildError, Said};
use crate::diagnosis;
use crate::interrupt::Interrupt;
use crate::podman::{self, PodmanError};
use crate::progress::{Phase, Progress};
use crate::rootfs::PlaceError;
use crate::session::SessionError;
use crate::storage::StorageError;
use door::Door;
use plan::RestorePlan;

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

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// CRIU, overlay and podman's storage are root's.
    #[error("only root can restore containers: try again with sudo")]
    NotRoot,
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] PodmanError),
    /// The storage is of no use.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The storage cannot be understood.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// The archive cannot be read, or is none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The container's name, or its ID, is taken.
    #[error("the name {name:?} is in use by container {}: choose another with --name, or remove that one", short(id))]
    NameInUse {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// The image is not there.
    #[error("the base image {name} ({}) is not here: pull or load it first", short(id))]
    NoImage {
        /// Its name.
        name: String,
        /// Its ID.
        id: String,
    },
    /// The image is there, but podman looks for it by name.
    #[error("the base image {name} is here without its name: `podman tag {id} {name}`")]
    UnnamedImage {
        /// Its name.
        name: String,
        /// Its ID.
        id: String,
    },
    /// A name in the archive that podman would never have given.
    #[error("the archive names {name:?}, which is no name that podman gives: it is refused")]
    BadName {
        /// The name.
        name: String,
    },
    /// The name could not be locked against other restores.
    #[error(transparent)]
    Lock(#[from] SessionError),
    /// An image of that name is there, but another one.
    #[error(
        "the image {name} is {} here, the container was made from {}: load that one, and tag it {name}",
        short(found),
        short(id)
    )]
    OtherImage {
        /// Its name.
        name: String,
        /// The recorded ID.
        id: String,
        /// The ID here.
        found: String,
    },
    /// A volume of that name is there; podman would refuse as well.
    #[error("the volume {name:?} exists: remove it, or keep its files with --ignore-volumes")]
    VolumeExists {
        /// Its name.
        name: String,
    },
    /// The archive does not have a volume's files.
    #[error("the archive has no files of the volume {name:?}: restore without them by --ignore-volumes")]
    NoVolumeData {
        /// Its name.
        name: String,
    },
    /// No file can be made beside the storage.
    #[error("create a file in {}", folder.display())]
    Stage {
        /// The folder.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A file for podman could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The restore failed; what it had made was removed again.
    #[error("restore of {} failed", path.display())]
    Run {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<RunError>,
    },
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// What can go wrong from podman's start to the running container.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The session's folder could not be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// podman could not be started, or not be waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The caller wished it.
    #[error("interrupted")]
    Interrupted,
    /// Somebody else made a container of that name, or ID, meanwhile.
    #[error("the name {container:?} was taken meanwhile")]
    Taken {
        /// Name or ID.
        container: String,
    },
    /// podman could not be given its part.
    #[error("send podman its part of the archive")]
    Send(#[source] io::Error),
    /// The storage cannot be understood.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// Files could not be put in place.
    #[error(transparent)]
    Place(#[from] PlaceAllError),
    /// podman failed.
    #[error("{message}")]
    Podman {
        /// Its last words, and those of CRIU or `criu check`.
        message: String,
    },
    /// podman ended well, but never asked for the rest of the archive.
    #[error("podman made no container {container:?} in the storage that was looked at")]
    NoContainer {
        /// Name or ID.
        container: String,
    },
}

/// Why files could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum PlaceAllError {
    /// CRIU's images.
    #[error("place CRIU's images in {}", path.display())]
    Images {
        /// The image directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The layer.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Files of the root filesystem or a volume.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// podman was asked for a volume.
    #[error(transparent)]
    Podman(#[from] PodmanError),
}

/// Makes a running container of an archive.
///
/// # Errors
/// [`RestoreError`]; a container or volume that a failed restore had made is removed again.
pub fn restore(options: &RestoreOptions, progress: &mut dyn Progress) -> Result<RestoreReport, RestoreError> {
    let started = Instant::now();
    let plan = RestorePlan::make(options, progress)?;
    let mut run = Run {
        plan: &plan,
        options,
        progress,
        first_parts: 0,
        container: None,
        moved: Transferred::default(),
        place: Duration::ZERO,
    };
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

/// podman reads the configuration twice before it makes the container.
const FIRST_PARTS: u32 = 2;

/// A restore on its way.
struct Run<'r> {
    plan: &'r RestorePlan,
    options: &'r RestoreOptions,
    progress: &'r mut dyn Progress,
    /// How often podman was given the first part.
    first_parts: u32,
    /// The new container, once podman has made it.
    container: Option<Container>,
    moved: Transferred,
    place: Duration,
}

impl Run<'_> {
    fn run(&mut self) -> Result<serde_json::Value, RunError> {
        self.progress.phase(Phase::Create);
        let mut door = Door::open(self.plan, self.options)?;
        let served = self.serve(&door);
        if let Err(error) = &served {
            door.abandon(matches!(error, RunError::Place(_) | RunError::Store(_) | RunError::Taken { .. }));
        }
        let said = door.finish()?;
        // Where both failed, podman did because of us.
        served?;
        if !said.status.success() {
            return Err(self.podman_failed(&said));
        }
        if self.container.is_none() {
            return Err(RunError::NoContainer { container: self.plan.container.clone() });
        }
        if self.options.interrupt.as_ref().is_some_and(Interrupt::is_raised) {
            return Err(RunError::Interrupted);
        }
        // The container runs: statistics that cannot be read are no reason to throw it away.
        Ok(serde_json::from_slice(&said.stdout).unwrap_or_default())
    }

    /// Gives podman what it wants to read each time, until it ends.
    fn serve(&mut self, door: &Door<'_>) -> Result<(), RunError> {
        while let Some(reader) = door.next_reader(self.container.is_some())? {
            match self.prepare_part() {
                Ok(part) => reader.send(part)?,
                Err(error) => {
                    reader.refuse();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The part that podman waits for; with the second, all else is in place.
    fn prepare_part(&mut self) -> Result<&File, RunError> {
        let Some(container) = self.plan.storage.container(&self.plan.container)? else {
            self.first_parts += 1;
            return Ok(&self.plan.first_part);
        };
        if self.container.is_none() {
            if self.first_parts < FIRST_PARTS {
                return Err(RunError::Taken { container: self.plan.container.clone() });
            }
            self.container = Some(container.clone());
            self.place(&container)?;
            self.progress.phase(Phase::Resume);
        }
        Ok(&self.plan.second_part)
    }

    fn place(&mut self, container: &Container) -> Result<(), PlaceAllError> {
        self.progress.phase(Phase::Place);
        let started = Instant::now();
        self.moved = place::place(self.plan, self.options, container, self.progress)?;
        self.place = started.elapsed();
        Ok(())
    }

    fn podman_failed(&self, said: &Said) -> RunError {
        let bundle = self.container.as_ref().map(|container| self.plan.storage.userdata_dir(container));
        let words = podman::last_words(&said.stderr);
        RunError::Podman { message: diagnosis::of_restore(&words, bundle.as_deref()) }
    }

    /// Removes what this restore made. podman makes nothing before it has read the first part twice, and neither
    /// container nor volumes were there when the plan was made, which holds the name locked.
    fn undo(&mut self, failure: &RunError) {
        let is_ours = !matches!(failure, RunError::Podman { message } if message.contains("already in use"));
        if self.first_parts < FIRST_PARTS || !is_ours {
            return;
        }
        let found = || self.plan.storage.container(&self.plan.container).ok().flatten();
        let container = self.container.take().or_else(found);
        if let Some(container) = container
            && let Err(error) = self.plan.podman.remove(&container.id)
        {
            self.progress.warning(&format!("the half-made container {} is left behind: {error}", container.id));
        }
        for name in &self.plan.volumes {
            if self.plan.podman.has_volume(name).is_ok_and(|there| there)
                && let Err(error) = self.plan.podman.remove_volume(name)
            {
                self.progress.warning(&format!("the volume {name} is left behind: {error}"));
            }
        }
    }
}
