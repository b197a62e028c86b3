//! Trees in: walks directories and appends what is there.
//!
//! ```text
//! walk ── batch (names) ── pipeline (threads read) ── snapshot, identity ── Packer ── Writer
//! ```

mod batch;
mod error;
mod identity;
mod options;
mod pipeline;
mod snapshot;
mod visit;
mod walk;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;

use crate::inode::{Inode, InodeError, read_inode};
use crate::member::Kind;
use crate::shown::lossy;
use crate::transfer::{TransferError, Transferred};
use crate::unpack::directory_bytes;
use crate::writer::{WriteError, Writer};
use batch::{Batch, Loaded};
pub use error::PackError;
use identity::Identity;
pub use options::{ChangePolicy, MtimePolicy, PackOptions, SocketPolicy, UnreadablePolicy};
use snapshot::{ATTEMPTS, Snapshots};
pub use visit::visit_names;
use walk::Walk;

/// Called for each member once it is in the archive, with its path there and how its data moved.
pub type OnMember<'a> = &'a mut dyn FnMut(&[u8], Transferred);

/// Appends trees to an archive, in the order of their names. Further names of an inode become hard links, across all
/// trees of one packer.
pub struct Packer<'p, 'f> {
    writer: &'p mut Writer<'f>,
    options: PackOptions<'p>,
    snapshots: Snapshots<'p>,
    links: HashMap<Identity, Vec<u8>>,
    omitted_sockets: Vec<Vec<u8>>,
    omitted_files: Vec<Vec<u8>>,
    unreadable: Vec<PackError>,
    changed: Vec<PackError>,
    directory_bytes: usize,
    with_flags: usize,
    on_member: OnMember<'p>,
}

impl<'p, 'f> Packer<'p, 'f> {
    /// A packer that appends to `writer`.
    pub fn new(writer: &'p mut Writer<'f>, options: PackOptions<'p>, on_member: OnMember<'p>) -> Self {
        Packer {
            writer,
            options,
            snapshots: Snapshots::new(options),
            links: HashMap::new(),
            omitted_sockets: Vec::new(),
            omitted_files: Vec::new(),
            unreadable: Vec::new(),
            changed: Vec::new(),
            directory_bytes: 0,
            with_flags: 0,
            on_member,
        }
    }

    /// Appends the directory `root` as the member `prefix` (`.` for none), and everything below it.
    ///
    /// Depth first, names in byte order. GNU tar, when it extracts, sets a directory's time at the first member outside
    /// it, so what is in a directory must not come in two places.
    ///
    /// # Errors
    /// [`PackError`]. After [`PackError::Changed`] and errors of reading, the archive holds whole members only and can
    /// be finished. After [`PackError::Write`] see [`WriteError`].
    pub fn pack_tree(&mut self, root: impl AsFd, prefix: &[u8]) -> Result<(), PackError> {
        self.pack_one(root.as_fd(), OsStr::new("."), prefix.to_vec())?;
        let mut walk = Walk::new(root.as_fd(), prefix, self.options)?;
        let load = batch::Loader::new(self.options, self.snapshots, self.writer);
        pipeline::run(
            self.options.readers,
            |batch: &mut Batch| batch.refill(&mut walk),
            |batch| batch.load(&load),
            |batch| self.append_batch(batch),
        )?;
        let (lost, unreadable) = walk.into_missing();
        self.changed.extend(lost.iter().map(|path| PackError::Changed { path: lossy(path) }));
        self.unreadable.extend(unreadable);
        Ok(())
    }

    /// Appends `name` of the directory `parent` as the member `path`, without what is below it. Returns its kind, or
    /// `None` if it was left out.
    ///
    /// # Errors
    /// As [`Packer::pack_tree`].
    pub fn pack_one(&mut self, parent: impl AsFd, name: &OsStr, path: Vec<u8>) -> Result<Option<Kind>, PackError> {
        match read_inode(parent, name, path, self.options.keep_xattr) {
            Ok(inode) if self.options.omits(&inode.stat) => {
                self.omitted_files.push(inode.member.path);
                Ok(None)
            }
            Ok(inode) => self.append_under_policy(inode, None),
            Err(error) => self.leave_out(error).map(|()| None),
        }
    }

    /// Appends an inode that was read already, with data from where the caller says.
    ///
    /// # Errors
    /// [`PackError::Write`], [`PackError::Changed`]; see there what the archive is then.
    pub fn append(&mut self, mut inode: Inode) -> Result<Kind, PackError> {
        self.prepare(&mut inode)?;
        self.write(&inode, None, None)?;
        Ok(inode.member.kind)
    }

    /// Paths of sockets that were left out under [`SocketPolicy::Omit`].
    pub fn omitted_sockets(&self) -> &[Vec<u8>] {
        &self.omitted_sockets
    }

    /// Paths of files that were left out for [`PackOptions::omit`].
    pub fn omitted_files(&self) -> &[Vec<u8>] {
        &self.omitted_files
    }

    /// What was listed under [`UnreadablePolicy::List`]: what was there and could not be read.
    pub fn unreadable(&self) -> &[PackError] {
        &self.unreadable
    }

    /// What was listed under [`ChangePolicy::List`]: files that changed while they were read, or were gone by then.
    pub fn changed(&self) -> &[PackError] {
        &self.changed
    }

    /// Bytes of [`UnpackOptions::pending_bytes`](crate::UnpackOptions::pending_bytes) that the directories of the archive take,
    /// at most, when it is unpacked.
    pub fn directory_bytes(&self) -> usize {
        self.directory_bytes
    }

    /// How many files and directories chattr(1) has made immutable, append-only or left out of dumps. No member says so.
    pub fn with_flags(&self) -> usize {
        self.with_flags
    }

    fn append_batch(&mut self, batch: &mut Batch) -> Result<(), PackError> {
        for loaded in batch.loaded.drain(..) {
            match loaded {
                Err(error) => self.leave_out(error)?,
                Ok(Loaded::Omitted { path }) => self.omitted_files.push(path),
                Ok(Loaded::Inode { inode, data }) => {
                    let data = data.map(|data| &batch.bytes[data]);
                    self.append_under_policy(*inode, data)?;
                }
                Ok(Loaded::Encoded { path, bytes, size, changed, has_flags }) => {
                    self.with_flags += usize::from(has_flags);
                    self.writer.append_encoded(&batch.bytes[bytes], 1, size)?;
                    (self.on_member)(&path, Transferred { copied_bytes: size, ..Transferred::default() });
                    if changed {
                        self.tell(PackError::Changed { path: lossy(&path) })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn append_under_policy(&mut self, mut inode: Inode, data: Option<&[u8]>) -> Result<Option<Kind>, PackError> {
        self.prepare(&mut inode)?;
        match self.append_until_whole(&mut inode, data) {
            Ok(None) => Ok(Some(inode.member.kind)),
            Ok(Some(error @ PackError::Write(WriteError::Source { source: TransferError::Read { .. }, .. }))) => {
                self.tell_unreadable(error).map(|()| None)
            }
            Ok(Some(change)) => self.tell(change).map(|()| None),
            // Nothing of it is in the archive, which other names of it could be links to.
            Err(error @ PackError::Write(WriteError::ExtensionsTooLong { .. })) => {
                self.links.retain(|_, path| *path != inode.member.path);
                self.tell_unreadable(error).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Appends the inode. As long as another look can give something better, it is appended again in place of that.
    /// Returns the error of the last attempt that failed, if any did.
    fn append_until_whole(
        &mut self,
        inode: &mut Inode,
        mut data: Option<&[u8]>,
    ) -> Result<Option<PackError>, PackError> {
        let mark = self.writer.mark();
        let (mut copy, mut can_copy) = (None, self.snapshots.are_possible());
        if self.snapshots.is_needed(inode) {
            copy = self.snapshots.take(inode)?;
            can_copy = copy.is_some();
        }
        let mut changed = None;
        for attempt in 0.. {
            let error = match self.write(inode, data.take().filter(|_| copy.is_none()), copy) {
                Ok(()) => break,
                Err(error @ (PackError::Changed { .. } | PackError::Write(WriteError::Source { .. }))) => error,
                Err(error) => return Err(error),
            };
            // What ended early is zeros in the archive, and a copy is of one moment.
            let ended_early = matches!(error, PackError::Write(_));
            let is_better_again = copy.is_none() && (ended_early || can_copy) && attempt < ATTEMPTS;
            changed = Some(error);
            if self.options.changes == ChangePolicy::Error || !is_better_again || !self.writer.rewind(mark)? {
                break;
            }
            copy = self.snapshots.take(inode)?;
            can_copy = copy.is_some();
        }
        Ok(changed)
    }

    /// Gives the member what the options say, and makes it a hard link if the archive has the inode already.
    fn prepare(&mut self, inode: &mut Inode) -> Result<(), PackError> {
        self.options.apply(&mut inode.member);
        if inode.member.kind == Kind::Directory {
            self.directory_bytes += directory_bytes(&inode.member);
        }
        if inode.stat.st_nlink > 1 && inode.member.kind != Kind::Directory {
            let identity = Identity::of(inode, self.options.changes)?;
            if let Some(first) = self.links.get(&identity) {
                inode.member.kind = Kind::HardLink { target: first.clone() };
                inode.data = None;
            } else {
                self.links.insert(identity, inode.member.path.clone());
            }
        }
        if !matches!(inode.member.kind, Kind::HardLink { .. }) {
            self.with_flags += usize::from(inode.has_flags);
        }
        Ok(())
    }

    /// Appends an inode with its data from where it is: in memory, in a copy of the file, or in the file.
    fn write(&mut self, inode: &Inode, data: Option<&[u8]>, copy: Option<&File>) -> Result<(), PackError> {
        let member = &inode.member;
        let before = self.writer.moved();
        match (data, inode.data.as_ref()) {
            (Some(data), Some(_)) => self.writer.append_copied(member, data)?,
            (None, Some(file)) => self.writer.append_file(member, copy.unwrap_or(file))?,
            (_, None) => self.writer.append(member)?,
        }
        (self.on_member)(&member.path, self.writer.moved() - before);
        match inode.has_changed()? {
            true => Err(PackError::Changed { path: lossy(&member.path) }),
            false => Ok(()),
        }
    }

    /// Lists what could not be read, where the options allow it.
    fn leave_out(&mut self, error: InodeError) -> Result<(), PackError> {
        match error {
            InodeError::Socket { path } if self.options.sockets == SocketPolicy::Omit => {
                self.omitted_sockets.push(path);
                Ok(())
            }
            InodeError::Socket { .. } => Err(error.into()),
            error if error.is_of_a_name_in_motion() => self.tell(error.into()),
            error => self.tell_unreadable(error.into()),
        }
    }

    fn tell_unreadable(&mut self, error: PackError) -> Result<(), PackError> {
        match self.options.unreadable {
            UnreadablePolicy::Error => Err(error),
            UnreadablePolicy::List => {
                self.unreadable.push(error);
                Ok(())
            }
        }
    }

    fn tell(&mut self, change: PackError) -> Result<(), PackError> {
        match self.options.changes {
            ChangePolicy::Error => Err(change),
            ChangePolicy::List => {
                self.changed.push(change);
                Ok(())
            }
        }
    }
}
