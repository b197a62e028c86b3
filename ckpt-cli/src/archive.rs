//! Archives that commands read and make, whatever is in them.

#[cfg(feature = "images")]
pub(crate) mod image;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod saved;
