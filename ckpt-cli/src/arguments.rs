//! Arguments that several subcommands have.

mod compression;
mod copies;
mod format;
mod jobs;
mod lazy;
mod reflink;
mod store;

pub(crate) use compression::CompressionArgument;
pub(crate) use copies::CopiesArguments;
pub(crate) use format::{TableFormat, TextFormat};
pub(crate) use jobs::JobsArgument;
pub(crate) use lazy::LazyArgument;
pub(crate) use reflink::ReflinkArgument;
pub(crate) use store::StoreArgument;
