//! Checkpoint and restore podman containers by reflink.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod archive;
pub mod checkpoint;
mod child;
pub mod criu_hook;
mod diagnosis;
mod external;
pub mod inspect;
pub mod interrupt;
pub mod manifest;
pub mod output;
mod podman;
pub mod progress;
pub mod restore;
mod rootfs;
mod session;
mod storage;
