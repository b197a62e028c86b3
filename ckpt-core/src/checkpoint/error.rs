//! What can go wrong with a checkpoint, and what becomes of the container then.

use std::io;
use std::path::{Path, PathBuf};

use aligntar::{ReadError, WriteError};

use super::deliver::DeliverError;
use super::images::ImagesError;
use crate::archive::{ArchiveError, Oversize};
use crate::container::restorable::{LookError, Obstacle};
use crate::criu::arrival::ArrivalError;
use crate::engine::EngineError;
use crate::engine::cgroup::CgroupError;
use crate::engine::diagnosis::Complaint;
use crate::engine::storage::StorageError;
use crate::host::child::ChildError;
use crate::host::output::OutputError;
use crate::host::session::SessionError;
use crate::rootfs::CaptureError;

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The container was restored, and its memory is not there.
    #[error(transparent)]
    Memory(#[from] ArrivalError),
    /// The container does not run.
    #[error(
        "container {name:?} is not running, but {status}: only a running container can be checkpointed. {} it first",
        if status == "paused" { "`podman unpause`" } else { "Keep its files by `ckpt save`, or `podman start`" }
    )]
    NotRunning {
        /// As the caller named it.
        name: String,
        /// podman's word.
        status: String,
    },
    /// It would not fit.
    #[error(
        "the archive needs some {needed} bytes, and {free} are free there: the container was not touched. `ckpt prune` makes \
         room, --store names another place"
    )]
    NoRoom {
        /// Expected, in bytes.
        needed: u64,
        /// On the file system of the archive.
        free: u64,
    },
    /// The kernel does not track changed memory.
    #[error(
        "this kernel cannot tell which memory changed (`criu check --feature mem_dirty_track`, CONFIG_MEM_SOFT_DIRTY): \
         --pre-checkpoint and --with-previous need that, a whole checkpoint does not"
    )]
    NoMemoryTracking,
    /// Others would stand still with it.
    #[error("{name:?} cannot be checkpointed, and was not touched")]
    Cgroup {
        /// As the caller named it.
        name: String,
        /// Who.
        #[source]
        source: CgroupError,
    },
    /// No restore would bring it back.
    #[error("a checkpoint of {name:?} could not be restored: the container was not touched")]
    NoWayBack {
        /// As the caller named it.
        name: String,
        /// Why.
        #[source]
        source: Obstacle,
    },
    /// It could not be found out whether the container can be restored.
    #[error(transparent)]
    Look(#[from] LookError),
    /// podman's description of the container is not what this program understands.
    #[error(transparent)]
    Description(#[from] ArchiveError),
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] EngineError),
    /// The container storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What killed runs left cannot be looked at.
    #[error(transparent)]
    Recovery(#[from] SessionError),
    /// The archive cannot be written where it should be.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The container's bundle cannot be read.
    #[error("read {}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// Dirty pages could not be written out.
    #[error("write out the dirty pages of {}", path.display())]
    Writeback {
        /// The storage.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// How much has to be copied, and how fast, could not be found out.
    #[error("find out how long copying the container's files will take")]
    Estimate {
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The archive is whole, but could not be held on to.
    #[error("open the archive once more")]
    Reopen(#[source] io::Error),
    /// The dump did not come to be, or its files could not be taken. The container runs on.
    #[error("checkpoint of {name:?} failed, the container keeps running")]
    Dump {
        /// As the caller named it.
        name: String,
        /// Why.
        #[source]
        source: Box<DumpError>,
    },
    /// The dump did not come to be, and the container came to its end meanwhile.
    #[error("checkpoint of {name:?} failed, {state}")]
    Ended {
        /// As the caller named it.
        name: String,
        /// What became of the container.
        state: AfterDumpState,
        /// Why.
        #[source]
        source: Box<DumpError>,
    },
    /// The dump succeeded, and something after it did not.
    #[error("checkpoint of {name:?} failed after the dump, {state}")]
    AfterDump {
        /// As the caller named it.
        name: String,
        /// What became of the container.
        state: AfterDumpState,
        /// Why.
        #[source]
        source: Box<DumpError>,
    },
}

impl CheckpointError {
    /// What the programs below said themselves, a line each; nothing where none of them failed.
    pub fn details(&self) -> &[String] {
        match self {
            CheckpointError::Dump { source, .. } | CheckpointError::AfterDump { source, .. } => match &**source {
                DumpError::Podman(complaint) => complaint.details(),
                _ => &[],
            },
            _ => &[],
        }
    }

    /// Whether podman itself can do it, where this program cannot: it works far away, or without overlay.
    pub fn is_podmans_alone(&self) -> bool {
        match self {
            CheckpointError::Podman(error) => matches!(error, EngineError::Remote { .. } | EngineError::Untried { .. }),
            CheckpointError::Storage(error) => error.is_podmans_alone(),
            _ => false,
        }
    }
}

/// What became of a container whose checkpoint failed after the dump.
#[derive(Debug)]
pub enum AfterDumpState {
    /// It never stopped.
    LeftRunning,
    /// podman's restart policy has started it anew: what ran before is lost.
    StartedAnew,
    /// It has ended.
    Ended,
    /// It was restored from the images in its bundle.
    Restored,
    /// It was to be left as it is.
    KeptStopped {
        /// The container's ID.
        id: String,
    },
    /// It could not be, but the archive was whole and is kept beside the storage.
    Rescued {
        /// The archive.
        path: PathBuf,
        /// What podman said.
        why: Box<EngineError>,
    },
    /// It could not be; `podman container restore` may, after `podman container cleanup`.
    Stopped {
        /// The container's ID.
        id: String,
        /// What podman said.
        why: Box<EngineError>,
    },
    /// podman has removed it (`podman run --rm`), and no archive is kept.
    Lost {
        /// What podman said.
        why: Box<EngineError>,
    },
}

impl AfterDumpState {
    /// The state once the archive is kept at `path`.
    pub(super) fn rescued(self, path: &Path) -> Self {
        match self {
            AfterDumpState::Stopped { why, .. } | AfterDumpState::Lost { why } => {
                AfterDumpState::Rescued { path: path.to_owned(), why }
            }
            state => state,
        }
    }
}

impl std::fmt::Display for AfterDumpState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AfterDumpState::LeftRunning => write!(formatter, "the container keeps running"),
            AfterDumpState::StartedAnew => {
                write!(formatter, "the container has ended and was started anew by podman's restart policy")
            }
            AfterDumpState::Ended => write!(formatter, "the container has ended"),
            AfterDumpState::Restored => write!(formatter, "the container was restored and runs"),
            AfterDumpState::KeptStopped { id } => {
                write!(formatter, "the container is kept stopped: `podman container restore {id}` brings it back")
            }
            AfterDumpState::Rescued { path, why } => {
                let path = path.display();
                write!(formatter, "the container is stopped ({why}): `ckpt restore -i {path}` brings it back")
            }
            AfterDumpState::Stopped { id, why } => {
                // The first does nothing where podman has tidied up already, and the second refuses where it has not.
                write!(
                    formatter,
                    "the container is stopped ({why}): `podman container cleanup {id} && podman container restore {id}` \
                     brings it back"
                )
            }
            AfterDumpState::Lost { why } => {
                write!(
                    formatter,
                    "podman has removed the container, as --rm has it, and nothing brings it back ({why})"
                )
            }
        }
    }
}

/// What can go wrong from podman's start to the named archive.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The session's folder could not be made.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// podman could not be started, or not be waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The caller's interrupt was raised.
    #[error("interrupted")]
    Interrupted,
    /// podman died while the container was frozen.
    #[error("podman ended in the middle of the dump")]
    PodmanGone,
    /// The rest of podman's export could not be read.
    #[error("read podman's export to its end")]
    Drain(#[source] io::Error),
    /// The connection to CRIU's script failed.
    #[error("talk to CRIU's post-dump script")]
    Hook(#[source] io::Error),
    /// Files could not be taken.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// CRIU's images could not be taken.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A restore would refuse the archive.
    #[error(transparent)]
    Oversize(#[from] Oversize),
    /// The archive could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// podman's export could not be read.
    #[error("read podman's export")]
    Export(#[from] ReadError),
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] Complaint),
    /// podman dumped, but CRIU never called.
    #[error("CRIU did not run the post-dump script: does the runtime use another criu than the one in PATH?")]
    NoHook,
    /// The archive could not get to its place.
    #[error(transparent)]
    Deliver(#[from] DeliverError),
    /// The archive could not get its name.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The archive would not fit in its place.
    #[error(
        "no space left: the archive needs {needed} bytes, its file system has {available}: make room, or choose another place"
    )]
    NoSpace {
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
    /// The target's free space is unknown.
    #[error("ask for the free space of the archive's file system")]
    Space(#[source] io::Error),
}
