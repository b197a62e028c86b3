//! The named volumes of a container, each perhaps on a file system of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aligntar::{ClonePolicy, Member, Timestamp, WriteError, WriteOptions, Writer};
use rustix::fs::{Mode, OFlags, open};

use crate::archive::VOLUMES;
use crate::archive::own_member::file;
use crate::engine::{ContainerFacts, Mount, storage};
use crate::progress::Progress;
use crate::rootfs::{self, CaptureError, CapturedTree};

/// A named volume whose files go along.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) source: PathBuf,
    pub(crate) transfer: Transfer,
    /// A nameless file on their file system: a file that others write to is cloned into it first. None where that cannot
    /// be.
    scratch: Option<File>,
}

/// How a volume's files get into the archive.
#[derive(Debug)]
pub(crate) enum Transfer {
    /// By clone.
    Clone,
    /// By clone into this nameless file on their file system, while the container is frozen. When the tasks run again, it
    /// is copied into the archive.
    Stage(File),
    /// Copied while the container is frozen: nothing else is possible, or wished.
    Copy,
}

impl Volume {
    /// The volumes of a container in the order of their names.
    pub(crate) fn of_container(facts: &ContainerFacts, draft: &Draft<'_>) -> Vec<Self> {
        let mut mounts: Vec<_> = facts.mounts.iter().filter(|mount| mount.kind == "volume").collect();
        // A volume may be mounted twice; it is in the archive once.
        mounts.sort_by(|one, other| one.name.cmp(&other.name));
        mounts.dedup_by(|one, other| one.name == other.name);
        mounts.into_iter().map(|mount: &Mount| Volume::new(&mount.name, &mount.source, draft)).collect()
    }

    /// The volume `name`, whose files are in the folder `source`.
    pub(crate) fn new(name: &str, source: &Path, draft: &Draft<'_>) -> Self {
        let transfer = draft.transfer_to(source);
        let scratch = if matches!(transfer, Transfer::Copy) { None } else { nameless(source) };
        Volume { name: name.to_owned(), source: source.to_owned(), transfer, scratch }
    }

    fn member(&self, now: Timestamp, size: usize) -> Member {
        file(&format!("{VOLUMES}{}.tar", self.name), now, size)
    }

    /// Takes the files as they are now; a staged volume is not in the archive yet.
    pub(crate) fn capture(
        &self,
        now: Timestamp,
        writer: &mut Writer<'_>,
        progress: &mut dyn Progress,
    ) -> Result<CapturedTree, CaptureError> {
        let Transfer::Stage(stage) = &self.transfer else {
            return writer.append_nested(&self.member(now, 0), |writer| {
                rootfs::capture_tree(&self.source, self.scratch.as_ref(), writer, progress)
            });
        };
        let options = WriteOptions { clone_policy: ClonePolicy::Required, ..WriteOptions::default() };
        let mut staged = Writer::new(stage, options)?;
        let tree = rootfs::capture_tree(&self.source, self.scratch.as_ref(), &mut staged, progress)?;
        staged.finish()?;
        Ok(tree)
    }

    /// Space that a staged volume's copy takes.
    pub(crate) fn staged_bytes(&self) -> io::Result<u64> {
        match &self.transfer {
            Transfer::Stage(stage) => Ok(stage.metadata()?.blocks() * 512),
            _ => Ok(0),
        }
    }

    /// Brings a staged volume into the archive.
    pub(crate) fn append_staged(&self, now: Timestamp, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let Transfer::Stage(stage) = &self.transfer else { return Ok(()) };
        let size = stage.metadata().map_err(|source| WriteError::Output { offset: writer.offset(), source })?.size();
        writer.append_file(&self.member(now, size as usize), stage)
    }
}

/// Where the archive is made.
pub(crate) struct Draft<'d> {
    pub(crate) file: &'d File,
    /// The upperdir's, from which it is known whether it can be cloned into the file.
    pub(crate) storage_device: u64,
    pub(crate) can_clone: bool,
    pub(crate) policy: ClonePolicy,
}

impl Draft<'_> {
    fn transfer_to(&self, source: &Path) -> Transfer {
        if source.metadata().is_ok_and(|metadata| metadata.dev() == self.storage_device) {
            return if self.can_clone { Transfer::Clone } else { Transfer::Copy };
        }
        let (Some(stage), Some(trial)) = (nameless(source), nameless(source)) else { return Transfer::Copy };
        let can_clone_to = |target| storage::can_clone_file(&trial, target).is_ok_and(|can| can);
        if can_clone_to(self.file) {
            Transfer::Clone
        } else if self.policy == ClonePolicy::IfPossible && can_clone_to(&stage) {
            Transfer::Stage(stage)
        } else {
            Transfer::Copy
        }
    }
}

/// Where nameless files cannot be, clones cannot: BTRFS and XFS have both. Read-only ones can be read all the same.
fn nameless(folder: &Path) -> Option<File> {
    open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}
