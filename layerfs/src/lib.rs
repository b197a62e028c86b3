//! Overlay layers: from a merged mount point to the directories behind it, and the exact difference between them.
//!
//! - A [`LayerStore`] answers which host directories make up a merged mount point: [`OverlayMounts`] asks the mount
//!   table, [`ContainersStorage`] reads the storage of podman, buildah and CRI-O, [`DockerOverlay2`] that of Docker,
//!   [`Containerd`] finds what runs in containerd.
//! - [`uses_of`] tells who has a directory mounted as a layer.
//! - [`layers_at`] asks these stores in turn.
//! - [`walk`] says exactly what an upperdir changes. Its cost grows with the changes, not with the tree.
//! - [`Upperdir`] writes such changes into another upperdir: deletions, parents, sockets.
//! - [`Lowers`] looks up single paths in the lower layers.
//!
//! # Examples
//!
//! What did a container change?
//!
//! ```no_run
//! use layerfs::{Change, ContainersStorage};
//!
//! let storage = ContainersStorage::from_storage_conf()?;
//! let container = storage.container("web")?.ok_or("no such container")?;
//! let layers = storage.layers_of(&container.layer)?;
//! let stats = layerfs::walk(&layers, |change| {
//!     match change {
//!         Change::Present(present) => println!("C /{}", present.path.display()),
//!         Change::Deleted { path, .. } => println!("D /{}", path.display()),
//!     }
//!     Ok::<(), std::io::Error>(())
//! })?;
//! println!("{} files, {} deleted", stats.files, stats.deleted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/` has two programs that need no container: one prints the changes of an upperdir, one hides a path.
//!
//! # Requirements
//!
//! Linux 5.6 (`openat2`) and a mounted `/proc`. Reading `trusted.*` xattrs takes `CAP_SYS_ADMIN`: without it the kernel
//! shows no markers at all, so be root before you believe a diff.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod access;
mod apply;
mod beneath;
mod bounded_read;
mod containerd;
mod containers_storage;
mod diff;
mod docker;
mod ids;
mod layer_dirs;
mod layer_file;
mod layers;
mod lower;
mod mountinfo;
mod overlay;
mod part;
mod storage_conf;
mod store;

pub use access::AccessError;
pub use apply::{ApplyError, Deletion, NodeAttributes, Upperdir};
pub use bounded_read::ReadError;
pub use containerd::{Containerd, ContainerdError, ContainerdTask};
pub use containers_storage::{Container, ContainersStorage, ContainersStorageError, Image};
pub use diff::{Change, DataSource, DiffError, DiffStats, Present, WalkError, walk};
pub use docker::{DockerContainer, DockerError, DockerOverlay2};
pub use ids::{IdMap, IdRange};
pub use layer_dirs::LayerDirError;
pub use layer_file::Xattr;
pub use layers::{LayerStore, Layers};
pub use lower::{LowerEntry, LowerError, Lowers};
pub use mountinfo::{MountsError, OverlayMounts, OverlayUse, uses_of};
pub use overlay::{XattrNamespace, is_whiteout};
pub use part::{PartPaths, part_paths};
pub use storage_conf::{StorageConf, StorageConfError};
pub use store::{Store, StoreError, layers_at, layers_of_container};

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
