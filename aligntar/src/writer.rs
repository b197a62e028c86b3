//! Writes an aligned archive: headers and small data through a buffer, blocks of data by clone.
//!
//! Where data is copied while others write to it, the archive is made in `passes`: `seen` tells which files are as they
//! were, `slots` where their data lies, and `settle` brings the data that was kept to its place.

mod archive;
mod error;
mod file_data;
mod layout;
mod output;
mod passes;
mod seen;
mod settle;
mod slots;
mod stream_data;

pub use archive::{WriteOptions, Writer, Written};
pub use error::WriteError;
pub use layout::Padding;
pub(crate) use layout::{Layout, filling};
pub use seen::UnchangedSince;
