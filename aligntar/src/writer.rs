//! Writes an aligned archive: headers and small data through a buffer, blocks of data by clone.

mod archive;
mod error;
mod file_data;
mod layout;
mod output;

pub use archive::{WriteOptions, Writer, Written};
pub use error::WriteError;
pub(crate) use file_data::CLONE_FROM;
pub use layout::Padding;
pub(crate) use layout::{Layout, filling};
