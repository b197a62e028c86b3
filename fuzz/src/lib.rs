//! What the fuzz targets share.
//!
//! | target | input | what must hold |
//! |---|---|---|
//! | `reader` | an archive | file and stream give the same members and data; memory and members stay in bounds |
//! | `pax` | a pax header's body | records lie one behind the other, written again they read the same |
//! | `unpack` | an archive | nothing outside the target folder changes |
//! | `round_trip` | members | written, they read the same, data aligned |
//! | `images` | an image of CRIU | it is read or refused, in bounded memory; pages rise, and lie one behind the other |
//!
//! `cargo xtask fuzz` builds and runs them on any toolchain; `cargo fuzz run TARGET` does where it is installed.

mod checksum;
mod memory;
mod outside;

pub use checksum::with_valid_checksums;
pub use memory::{Bounded, peak_of};
pub use outside::Outside;
