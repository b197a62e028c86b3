//! Archives that commands read and make, whatever is in them.

pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod saved;
