//! Images of one layer in registries, with the settings that podman, skopeo and buildah have on the same host.
//!
//! Registries are asked over blocking connections: no runtime for asynchronous work comes with this crate.
//!
//! ```no_run
//! use ckpt_images::{Never, Patience, Registries, Registry, RegistryRef};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image: RegistryRef = "quay.io/podman/hello:latest".parse()?;
//! let patience = Patience { tries: 5, stop: &Never };
//! for place in Registries::load()?.for_pull(&image)? {
//!     let registry = Registry::open(&place, ckpt_images::Access::Pull, patience)?;
//!     let (manifest, media_type) = registry.manifest(&place.image.version)?;
//!     println!("{media_type}: {} bytes", manifest.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | read a name | [`ImageRef`], [`RegistryRef`], [`LayoutRef`] |
//! | know what the host says of registries | [`Registries`], [`Credentials`], [`Certificates`] |
//! | fetch and send | [`Registry`] |
//! | send what is still being made | [`Growing`] |
//! | read and write an image's JSON | [`document`] |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod digest;
pub mod document;
mod growing;
mod reference;
mod registry;
mod settings;

pub use digest::{Digest, DigestError, Hasher, Hashing};
pub use growing::{Growing, GrowingReader};
pub use reference::{ImageRef, LayoutRef, ReferenceError, RegistryRef, Version};
pub use registry::{Access, Download, Never, Patience, Registry, RegistryError, Stop};
pub use settings::{Certificates, Credentials, Endpoint, Registries, SettingsError};

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
