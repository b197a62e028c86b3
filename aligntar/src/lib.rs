//! Pax archives whose file data lies on filesystem blocks, so that it moves by reflink.
//!
//! Any tar tool reads them. On BTRFS and XFS the data of a file goes in and out of the archive by FICLONERANGE, without
//! being read or written; elsewhere it is copied. Archives nested in an archive lie on blocks of the outer file too.
//!
//! ```
//! use aligntar::{Kind, Member, Reader, WriteOptions, Writer};
//! use std::io::Read;
//!
//! let file = tempfile::tempfile()?;
//! let mut writer = Writer::new(&file, WriteOptions::default())?;
//! writer.append_bytes(&Member::new("greeting", Kind::Regular { size: 5 }, 0o644), b"hello")?;
//! writer.finish()?;
//!
//! let mut reader = Reader::open(&file)?;
//! let entry = reader.next_entry()?.expect("one member was written");
//! let mut text = String::new();
//! reader.data(&entry).read_to_string(&mut text)?;
//! assert_eq!((&entry.member.path[..], text.as_str()), (&b"greeting"[..], "hello"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Trees go in and out as a whole:
//!
//! ```
//! use aligntar::{PackOptions, Packer, PlainParents, Reader, UnpackOptions, Unpacker, WriteOptions, Writer};
//! use std::fs::{self, File};
//! use std::os::fd::AsFd;
//!
//! # let (source, target) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! fs::write(source.path().join("note"), "text")?;
//! let archive = tempfile::tempfile()?;
//! let mut writer = Writer::new(&archive, WriteOptions::default())?;
//! let mut progress = |path: &[u8], moved: aligntar::Transferred| assert!(moved.clone_calls == 0 || !path.is_empty());
//! let mut packer = Packer::new(&mut writer, PackOptions::default(), &mut progress);
//! packer.pack_tree(File::open(source.path())?, b".")?;
//! writer.finish()?;
//!
//! let root = File::open(target.path())?;
//! let mut parents = PlainParents;
//! let mut unpacker = Unpacker::new(root.as_fd(), UnpackOptions::default(), &mut parents)?;
//! let mut reader = Reader::open(&archive)?;
//! while let Some(entry) = reader.next_entry()? {
//!     unpacker.unpack(&entry, reader.source_mut())?;
//! }
//! unpacker.finish()?;
//! assert_eq!(fs::read_to_string(target.path().join("note"))?, "text");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has both as programs.
//!
//! | to | see |
//! |---|---|
//! | write members, or nested archives | [`Writer`] |
//! | pack a directory tree | [`Packer`] |
//! | read members, from a file or a stream | [`Reader`], [`Source`] |
//! | read a compressed archive | [`Decompressed`] |
//! | look for damage | [`verify()`], [`verify_file`] |
//! | unpack safely, up to the first error or all that can be unpacked | [`Unpacker`] |
//! | move data between files | [`transfer()`], [`ClonePolicy`], [`Transferred`] |
//! | see which blocks a file shares | [`extents`] |
//! | have two files share what is equal in them | [`share_equal_range`] |
//!
//! # Kernel features
//!
//! | what | since Linux | without it |
//! |---|---|---|
//! | FICLONERANGE, ioctl_ficlonerange(2) | 4.5, on BTRFS, XFS and others | data is copied, or an error under [`ClonePolicy::Required`] |
//! | FIDEDUPERANGE, ioctl_fideduperange(2) | 4.5, on BTRFS, XFS and others | [`share_equal_range`] says so |
//! | copy_file_range(2) | 4.5 | read and write |
//! | RWF_NOWAIT, preadv2(2) | 4.14, on most file systems with a disk | copy_file_range(2) |
//! | SEEK_DATA, SEEK_HOLE, lseek(2) | 3.1 | file systems without them show no holes |
//! | openat2(2) | 5.6 | one component after the other, see [`Resolver`] |
//! | sync_file_range(2) | 2.6.17 | [`start_writeback`] says so |
//! | FS_IOC_FIEMAP | 2.6.28, on file systems with extents | [`extents`] says so |
#![warn(missing_docs)]

mod acl;
mod align;
mod beneath;
mod compressed;
mod entry;
mod header;
mod inode;
mod member;
mod pack;
mod parse;
mod pax;
mod reader;
mod safe_path;
mod shown;
mod source;
mod sparse;
mod sys;
mod transfer;
mod unpack;
mod verify;
mod writer;

pub use align::{AlignError, Alignment, TAR_BLOCK, padded_len};
pub use beneath::Resolver;
pub use compressed::{Compression, Decompressed};
pub use entry::{CloneToError, DataSpan, Entry};
pub use inode::{Inode, InodeError, XattrFilter, read_inode};
pub use member::{Kind, Member, Record, Timestamp, Xattr};
pub use pack::{
    ChangePolicy, MtimePolicy, OnMember, PackError, PackOptions, Packer, SocketPolicy, UnreadablePolicy, visit_names,
};
pub use parse::HeaderError;
pub use pax::{PAX_BODY_LIMIT, PaxBody, PaxError, PaxExtensions, PaxRecord, SparseRecords, records};
pub use reader::{EndMarker, EntryData, Limits, ReadError, Reader};
pub use safe_path::BadPath;
pub use shown::{ShownName, keeps_to_its_line};
pub use source::{FileSource, Source, StreamSource};
pub use sparse::SparseError;
pub use sys::{Extent, extents, extents_in, share_equal_range, start_writeback};
pub use transfer::{ClonePolicy, Span, TransferError, Transferred, transfer};
pub use unpack::{
    Parents, Permissions, PlainParents, Refusal, UnpackError, UnpackObserver, UnpackOptions, Unpacker, directory_bytes,
};
pub use verify::{Problem, ProblemKind, Report, Sharing, Unaligned, VerifyOptions, verify, verify_file};
pub use writer::{Padding, UnchangedSince, WriteError, WriteOptions, Writer, Written};

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
