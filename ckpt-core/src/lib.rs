//! Checkpoint and restore podman containers by reflink.
//!
//! The archive is podman's own, laid out so that file data moves by clone on BTRFS and XFS; podman stays as it is.
//! A checkpoint takes files in the moment in which CRIU has dumped the memory and every task still stands; a restore
//! puts them in place while podman waits for the rest of the archive.
//!
//! ```no_run
//! use ckpt_core::checkpoint::{CheckpointOptions, checkpoint};
//! use ckpt_core::progress::Silent;
//! use ckpt_core::restore::{RestoreOptions, restore};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // podman's runtime and CRIU call this very program back, under other names.
//!     if let Some(status) = ckpt_core::run_callback() {
//!         std::process::exit(status.into());
//!     }
//!     let options = CheckpointOptions { container: "web".into(), export: "web.tar".into(), ..Default::default() };
//!     let report = checkpoint(&options, &mut Silent)?;
//!     println!("{} bytes cloned, frozen {:?}", report.moved.cloned_bytes, report.frozen);
//!
//!     let options = RestoreOptions { import: "web.tar".into(), name: Some("web2".into()), ..Default::default() };
//!     println!("{} runs", restore(&options, &mut Silent)?.id);
//!     Ok(())
//! }
//! ```
//!
//! # Requirements
//!
//! Linux 5.10 (`openat2`, `pidfd_open`, O_TMPFILE), root, podman 4 or newer with the overlay driver, runc or crun, CRIU.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod archive;
mod callback;
pub mod checkpoint;
mod container;
pub mod containers;
#[cfg(feature = "images")]
pub mod create_image;
mod criu;
pub mod dedup;
pub mod diff;
pub mod doctor;
mod engine;
pub mod fork;
pub mod history;
mod host;
#[cfg(feature = "images")]
mod image;
pub mod inside;
pub mod inspect;
pub mod layer;
pub mod lazy;
pub mod memory;
pub mod operand;
pub mod passthrough;
pub mod progress;
pub mod prune;
#[cfg(feature = "images")]
pub mod pull;
#[cfg(feature = "images")]
pub mod push;
mod recovery;
pub mod restore;
pub mod retention;
pub mod rollback;
pub mod rootfs;
pub mod save;
pub mod store;

pub use archive::{compression, encryption, manifest};
pub use callback::run_callback;
pub use container::privileges;
pub use container::restorable::{LookError, Obstacle};
pub use engine::EngineError;
pub use engine::cgroup::CgroupError;
pub use engine::diagnosis::Complaint;
pub use engine::storage::StorageError;
pub use host::byte_path::BytePath;
pub use host::byte_string::ByteString;
pub use host::child::ChildError;
pub use host::programs::ProgramError;
pub use host::session::SessionError;
pub use host::{interrupt, lent, output};
#[cfg(feature = "images")]
pub use image::{ImageError, RegistryError, reference};
pub use recovery::JournalError;

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
