//! Arguments that several subcommands have.

mod compression;
mod copies;
mod format;
mod jobs;
mod lazy;
mod reflink;
#[cfg(feature = "serve")]
mod socket;
mod store;

pub(crate) use compression::CompressionArgument;
pub(crate) use copies::CopiesArguments;
pub(crate) use format::{TableFormat, TextFormat};
pub(crate) use jobs::JobsArgument;
pub(crate) use lazy::LazyArgument;
pub(crate) use reflink::ReflinkArgument;
#[cfg(feature = "serve")]
pub(crate) use socket::SocketArgument;
pub(crate) use store::StoreArgument;
