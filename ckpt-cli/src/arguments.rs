//! Arguments that several subcommands have.

mod align;
mod compression;
mod copies;
mod count;
mod format;
mod identity;
mod jobs;
mod lazy;
mod recipient;
mod reflink;
#[cfg(feature = "serve")]
mod socket;
mod store;

pub(crate) use align::AlignArgument;
pub(crate) use compression::CompressionArgument;
pub(crate) use copies::CopiesArguments;
pub(crate) use count::count;
pub(crate) use format::{TableFormat, TextFormat};
pub(crate) use identity::IdentityArgument;
pub(crate) use jobs::JobsArgument;
pub(crate) use lazy::LazyArgument;
pub(crate) use recipient::{RecipientArgument, check_named_plain};
pub(crate) use reflink::ReflinkArgument;
#[cfg(feature = "serve")]
pub(crate) use socket::SocketArgument;
pub(crate) use store::StoreArgument;
