//! What can go wrong with a restore.

use std::io;
use std::path::PathBuf;

use aligntar::{TransferError, WriteError};
use layerfs::ContainersStorageError;

use super::announcement::ANNOUNCEMENT;
use super::publication::PublicationError;
use super::repairs::RepairError;
use super::trust::TrustError;
use super::volumes::VolumeError;
use crate::archive::ArchiveError;
use crate::archive::encryption::EncryptionError;
use crate::container::privileges::{Granted, Privilege};
use crate::container::restorable::{LookError, Obstacle};
use crate::criu::page_server::PageServerError;
use crate::engine::EngineError;
use crate::engine::diagnosis::Complaint;
use crate::engine::storage::StorageError;
use crate::host::child::ChildError;
use crate::host::session::SessionError;
use crate::recovery::JournalError;
use crate::rootfs::ExtractError;

/// Why there is no container.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] EngineError),
    /// The container storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The storage cannot be understood.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// The archive cannot be read, or is none.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive is encrypted, and cannot be decrypted.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
    /// The archive is somebody else's, or could be.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The archive says what no podman ever wrote.
    #[error("{member} in the archive says {value:?} for {field}, which podman never writes: it is refused")]
    Forged {
        /// `config.dump` or `spec.dump`.
        member: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A member of the archive's /dev/shm that podman would write elsewhere.
    #[error("devshm-checkpoint.tar in the archive has {path:?}, which leads out of /dev/shm: it is refused")]
    Climbing {
        /// The member, or the target of a hard link.
        path: String,
    },
    /// A /dev/shm of more files than a container has memory for.
    #[error("devshm-checkpoint.tar in the archive has more files, or longer names, than any /dev/shm: it is refused")]
    LargeShm,
    /// The archive would have podman or CRIU act on the host, outside of the container.
    #[error(
        "{} in the archive has {} with the container: {:?}. If that is well, restore it with --trust (`ckpt inspect` \
         shows all that it may)",
        .0.by,
        match .0.privilege {
            Privilege::HostProgram { .. } => "a program run as root on this host",
            _ => "a file of this host written or removed",
        },
        .0.privilege.to_string()
    )]
    Hazard(Granted),
    /// The container's name, or its ID, is taken.
    #[error(
        "the name {name:?} is already in use by container {0}: remove that one (`podman rm {0}`), or choose another name \
         with --name",
        short(id)
    )]
    NameInUse {
        /// The name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// More copies than one command makes.
    #[error("{count} copies are too many for one command: make {most} at a time")]
    TooManyCopies {
        /// What was asked for.
        count: u32,
        /// How many may be.
        most: u32,
    },
    /// The image is not there.
    #[error("the base image {name} ({}) is not here: pull or load it first", short(id))]
    NoImage {
        /// Its name.
        name: String,
        /// Its ID.
        id: String,
    },
    /// It cannot be restored here, or nowhere.
    #[error("the container cannot be restored")]
    NoWayBack(#[source] Obstacle),
    /// It could not be found out whether it can be restored here.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A name that the caller gave, and podman would not take.
    #[error(
        "{name:?} is no name for a container: letters, digits, \"_\", \".\" and \"-\", the first a letter or digit"
    )]
    NoName {
        /// The name.
        name: String,
    },
    /// A name in the archive that podman would never have given.
    #[error("the archive names {name:?}, which is no name that podman gives: it is refused")]
    BadName {
        /// The name.
        name: String,
    },
    /// Several copies would have one name.
    #[error("{name:?} names one container, not {count}: put \"{{n}}\" in it, for the number of the copy")]
    OneName {
        /// The name.
        name: String,
        /// How many there are to be.
        count: u32,
    },
    /// What the caller wants published is no port of the host.
    #[error("{publish:?} would publish port {port}, and there are none above 65535")]
    NoPort {
        /// What was given, for one copy.
        publish: String,
        /// The sum.
        port: u64,
    },
    /// What the caller wants published is nothing that podman publishes.
    #[error("{publish:?} cannot be published")]
    Publish {
        /// What was given, for one copy.
        publish: String,
        /// Why.
        #[source]
        source: PublicationError,
    },
    /// Two copies cannot have one port of the host.
    #[error(
        "{publish:?} would publish port {port} twice: put \"{{n}}\" in it, for the number of the copy, or leave the port \
         of the host away for a free one"
    )]
    PublishedTwice {
        /// What was given, for one of them.
        publish: String,
        /// The port.
        port: u16,
    },
    /// The name could not be locked against other restores, or what killed runs left not be looked at.
    #[error(transparent)]
    Lock(#[from] SessionError),
    /// An image of that name is there, but another one.
    #[error(
        "the image {name} is {} here, the container was made from {}: load that one, or take this one by \
         --allow-image-mismatch",
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
    #[error("the volume {name:?} already exists: remove it, or keep its files with --ignore-volumes")]
    VolumeExists {
        /// Its name.
        name: String,
    },
    /// The volume that a copy would get is there.
    #[error("the volume {name:?} already exists: remove it, or give the copies other names")]
    CopysVolumeExists {
        /// Its name.
        name: String,
    },
    /// The archive does not have a volume's files.
    #[error("the archive has no files of the volume {name:?}: restore without them by --ignore-volumes")]
    NoVolumeData {
        /// Its name.
        name: String,
    },
    /// What did not run cannot run on.
    #[error("the archive is of a container that did not run: there is no memory in it, so no copy of it can run on")]
    NothingToRun,
    /// A part of the memory is in another archive.
    #[error("the archive was made after a pre-checkpoint: give that one's archive as well, by --import-previous")]
    NoPrevious,
    /// The memory was to come later, and cannot.
    #[error("the memory cannot come later: {reason}. Without --lazy=always it comes before the container runs")]
    NotLazy {
        /// Why not.
        reason: String,
    },
    /// No file can be made in the storage's folder.
    #[error("create a file in {}", folder.display())]
    Stage {
        /// The folder.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The archive is far from the storage, and could not be brought there.
    #[error("copy the archive to the storage")]
    Bring(#[source] TransferError),
    /// No random numbers can be read.
    #[error("read random numbers for an ID")]
    Random(#[source] io::Error),
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

impl RestoreError {
    /// What the programs below said themselves, a line each; nothing where none of them failed.
    pub fn details(&self) -> &[String] {
        match self {
            RestoreError::Run { source, .. } => match &**source {
                RunError::Podman(complaint) => complaint.details(),
                _ => &[],
            },
            _ => &[],
        }
    }

    /// Whether podman itself can do it, where this program cannot: it works far away, or without overlay.
    pub fn is_podmans_alone(&self) -> bool {
        match self {
            RestoreError::Podman(error) => matches!(error, EngineError::Remote { .. } | EngineError::Untried { .. }),
            RestoreError::Storage(error) => error.is_podmans_alone(),
            _ => false,
        }
    }
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
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// podman could not be started, or not be waited for.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The caller's interrupt was raised.
    #[error("interrupted")]
    Interrupted,
    /// Somebody else made a container of that name, or ID, meanwhile.
    #[error("the name {container:?} was taken meanwhile")]
    Taken {
        /// Name or ID.
        container: String,
    },
    /// A volume could not be made.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// podman could not be given its part.
    #[error("send podman its part of the archive")]
    Send(#[source] io::Error),
    /// The storage cannot be understood.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// Files could not be put in place.
    #[error(transparent)]
    Place(#[from] FilesError),
    /// The files that podman changed afterwards could not be put right.
    #[error(transparent)]
    Amend(#[from] RepairError),
    /// What CRIU mounts secrets on could not be made.
    #[error("make mount points for secrets in {}", folder.display())]
    MountPoints {
        /// Where they were to be.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The memory could not be served.
    #[error(transparent)]
    Memory(#[from] PageServerError),
    /// Images of what cannot come later could not be put in place.
    #[error("place the memory that cannot come later")]
    Pages(#[source] io::Error),
    /// It could not be noted whose memory is on its way.
    #[error("note whose memory is on its way")]
    NoteMemory(#[source] io::Error),
    /// The container could not be told what it is.
    #[error("write {ANNOUNCEMENT} in the container")]
    Announce(#[source] io::Error),
    /// The caller's command failed in the container.
    #[error("the command failed in the container")]
    Exec(#[source] EngineError),
    /// podman failed.
    #[error(transparent)]
    Podman(#[from] Complaint),
    /// podman ended well, but never asked for the rest of the archive.
    #[error("podman made no container {container:?} in the storage that was looked at")]
    NoContainer {
        /// Name or ID.
        container: String,
    },
}

/// Why files could not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
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
    Place(#[from] ExtractError),
    /// podman was asked for a volume.
    #[error(transparent)]
    Podman(#[from] EngineError),
}
