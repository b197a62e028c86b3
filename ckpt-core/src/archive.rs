//! The checkpoint archive: what its members are called, what they say, and the archive opened for reading.
//!
//! | room | holds |
//! |---|---|
//! | `names` | the members' names |
//! | `opened` | an archive opened for reading, whatever compresses or streams it |
//! | `container_config`, `dumps` | `config.dump` and `spec.dump` |
//! | `manifest`, `supplement` | `ckpt.json`, and what of a diff tar has no member for |
//! | `limits` | how much of an archive a restore takes, and so a checkpoint makes |
//! | `compression` | of a whole archive |

pub mod compression;
mod container_config;
pub(crate) mod dumps;
mod error;
pub(crate) mod go_json;
mod index;
mod input;
mod json;
pub(crate) mod limits;
pub mod manifest;
mod names;
mod opened;
mod spool;
pub(crate) mod supplement;

pub use container_config::{ContainerConfig, NamedVolume};
pub use error::ArchiveError;
pub use input::Import;
pub use limits::Oversize;
pub use names::*;
pub use opened::CheckpointArchive;
pub(crate) use opened::reopenable;
