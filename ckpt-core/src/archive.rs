//! The checkpoint archive: the names of its members, what they say, and how it is read.
//!
//! | module | what it is for |
//! |---|---|
//! | `names` | the members' names |
//! | `opened` | an archive opened for reading, also a compressed or streamed one |
//! | `container_config`, `dumps` | `config.dump` and `spec.dump` |
//! | `manifest`, `supplement` | `ckpt.json`, and the changes that a tar archive has no member for |
//! | `maker` | which engine made it |
//! | `packed` | a nested archive that is compressed |
//! | `annotations` | what an image of it says to those who restore such images |
//! | `own_member` | members that this program makes up |
//! | `limits` | how large an archive a restore accepts, and so a checkpoint makes |
//! | `compression`, `encryption` | how a whole archive is compressed, and encrypted |

#[cfg(feature = "images")]
pub(crate) mod annotations;
pub mod compression;
mod container_config;
pub(crate) mod dumps;
pub mod encryption;
mod error;
pub(crate) mod go_json;
mod index;
mod input;
mod json;
pub(crate) mod limits;
pub(crate) mod maker;
pub mod manifest;
mod names;
mod opened;
pub(crate) mod own_member;
mod packed;
pub(crate) mod spool;
pub(crate) mod supplement;

pub use container_config::{ContainerConfig, NamedVolume, PortMapping};
pub use error::ArchiveError;
pub use input::Import;
pub use limits::Oversize;
pub use maker::{KubernetesPod, Maker};
pub use names::*;
pub use opened::CheckpointArchive;
pub(crate) use opened::reopenable;
