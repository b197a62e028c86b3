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
//! | to | see |
//! |---|---|
//! | write members, or nested archives | [`Writer`] |
//! | pack a directory tree | [`Packer`] |
//! | read members, from a file or a stream | [`Reader`], [`Source`] |
//! | read a compressed archive | [`Decompressed`] |
//! | look for damage | [`verify()`], [`verify_file`] |
//! | unpack, safely | [`Unpacker`] |
//! | move data between files | [`transfer()`], [`ClonePolicy`], [`Transferred`] |
//! | see which blocks a file shares | [`extents`] |
#![warn(missing_docs)]

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
mod source;
mod sparse;
mod sys;
mod transfer;
mod unpack;
mod verify;
mod writer;

pub use align::{AlignError, Alignment, TAR_BLOCK, padded_len};
pub use beneath::{BadPath, Resolver};
pub use compressed::{Compression, Decompressed};
pub use entry::{CloneToError, DataSpan, Entry};
pub use inode::{Inode, InodeError, XattrFilter, read_inode};
pub use member::{Kind, Member, Record, Timestamp, Xattr};
pub use pack::{ChangePolicy, MtimePolicy, OnMember, PackError, PackOptions, Packer, SocketPolicy};
pub use parse::HeaderError;
pub use pax::{PAX_BODY_LIMIT, PaxBody, PaxError, PaxExtensions, PaxRecord, SparseRecords, records};
pub use reader::{EndMarker, EntryData, Limits, ReadError, Reader};
pub use source::{FileSource, Source, StreamSource};
pub use sparse::SparseError;
pub use sys::{Extent, extents};
pub use transfer::{ClonePolicy, Span, TransferError, Transferred, transfer};
pub use unpack::{Parents, PlainParents, Refusal, UnpackError, UnpackOptions, Unpacker};
pub use verify::{Problem, ProblemKind, Report, Sharing, Unaligned, VerifyOptions, verify, verify_file};
pub use writer::{Padding, WriteError, WriteOptions, Writer, Written};
