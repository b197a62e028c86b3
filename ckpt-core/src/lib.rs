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
//!     // CRIU calls this very program back, under another name.
//!     if let Some(status) = ckpt_core::criu_hook::play_part() {
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
mod byte_path;
mod cgroup;
pub mod checkpoint;
mod child;
pub mod compression;
pub mod containers;
mod criu_config;
pub mod criu_hook;
mod diagnosis;
pub mod diff;
pub mod doctor;
mod dumps;
mod engine;
mod external;
mod go_json;
pub mod inspect;
pub mod interrupt;
mod lock;
pub mod manifest;
pub mod output;
mod pipe;
mod podman;
pub mod powers;
pub mod progress;
mod recovery;
mod restorable;
pub mod restore;
pub mod rootfs;
mod session;
pub mod stock;
mod storage;
pub mod subject;
mod versions;
mod watched;

pub use byte_path::BytePath;
pub use cgroup::CgroupError;
pub use child::ChildError;
pub use diagnosis::Complaint;
pub use external::ExternalError;
pub use podman::PodmanError;
pub use recovery::JournalError;
pub use restorable::{LookError, Obstacle};
pub use session::SessionError;
pub use storage::StorageError;
