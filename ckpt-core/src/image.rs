//! A checkpoint as an image of one layer, which is the archive.
//!
//! | module | what it is for |
//! |---|---|
//! | `layout` | a folder of images: OCI image specification, "Image Layout" |
//! | `found` | an image that was asked for, wherever it is, down to its layer |
//! | `parcel` | the documents around a layer that is sent |
//! | `arrival` | a layer that arrives becomes an archive whose data lies on blocks |
//! | `outgoing` | an archive that leaves becomes a layer: digested, and compressed for the wire |
//!
//! What comes from elsewhere is untrusted. Nothing of it is used before its digest was seen to be right, down from the
//! document that was asked for.

pub(crate) mod arrival;
mod error;
pub(crate) mod found;
pub(crate) mod layout;
pub(crate) mod outgoing;
pub(crate) mod parcel;

pub use ckpt_images::RegistryError;
use ckpt_images::{Patience, Stop};
pub use error::ImageError;

use crate::host::interrupt::Interrupt;

/// Names of images.
pub mod reference {
    pub use ckpt_images::{ImageRef, LayoutRef, ReferenceError, RegistryRef, Version};
}

/// Tries without progress before somebody is told: a minute or so.
const TRIES: u32 = 9;

/// A raised interrupt ends what a registry is waited for.
pub(crate) struct Raised<'i>(pub(crate) Option<&'i Interrupt>);

impl Stop for Raised<'_> {
    fn is_wanted(&self) -> bool {
        self.0.is_some_and(Interrupt::is_raised)
    }
}

impl Raised<'_> {
    pub(crate) fn patience(&self) -> Patience<'_> {
        Patience { tries: TRIES, stop: self }
    }
}
