//! `inspect`: what is in an archive, what went on in its container, and how much of it other files share. The same of a
//! container of podman, as far as it makes sense.
//!
//! | module | of what |
//! |---|---|
//! | `contents` | an archive |
//! | `living` | a container |
//! | `picture` | an archive, with all that a page shows of it |
//!
//! What goes on in a container is told by [`inside`](crate::inside).

mod contents;
mod living;
mod picture;

pub use crate::archive::{KubernetesPod, Maker};
pub use contents::{Blocks, Inspection, Part, inspect, inspect_import};
pub use living::{LivingError, LivingInspection, inspect_container};
pub use picture::{Changes, Picture, Port, Rights, Share, SizedPath, picture};
