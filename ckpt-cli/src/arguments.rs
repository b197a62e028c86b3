//! Arguments that several subcommands have.

mod compression;
mod format;
mod jobs;
mod reflink;

pub(crate) use compression::CompressionArgument;
pub(crate) use format::{TableFormat, TextFormat};
pub(crate) use jobs::JobsArgument;
pub(crate) use reflink::ReflinkArgument;
