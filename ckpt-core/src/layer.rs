//! What a container changed as an archive of its own, and an upper directory made of such an archive: `ckpt rootfs`.
//!
//! | verb | takes | gives |
//! |---|---|---|
//! | [`save()`] | the layers of a container of any engine, running or not | an archive in one of three [`Form`]s |
//! | [`apply()`] | such an archive, or a checkpoint | an upper directory that changes the image in the same way |

mod apply;
mod input;
mod replacement;
mod save;

pub use crate::host::standstill::StandstillError;
pub use crate::rootfs::{Form, ScanError};
pub use apply::{ApplyError, ApplyOptions, ApplyReport, apply};
pub use replacement::ReplaceError;
pub use save::{Place, SaveError, SaveOptions, SaveReport, save};
