//! What an upperdir changes, exactly: one walk yields all that the merged tree shows differently from its lower layers.
//!
//! # What comes out
//!
//! The walk compares two trees: the *base*, which is what the lower layers show without the upper one, and the merged
//! tree. Everything of the merged tree that does not come unchanged from the same place of the base is
//! [`Change::Present`]; everything of the base that the merged tree lacks is [`Change::Deleted`].
//!
//! | in the upperdir | yields |
//! |---|---|
//! | file, directory, link, device, … | `Present` |
//! | whiteout of something the base shows | one `Deleted`, also for a whole directory |
//! | whiteout of nothing | nothing |
//! | opaque directory | `Present`, its content, and `Deleted` for each name that the base shows there and it lacks, also in its new subdirectories |
//! | file where the base has a directory, or the reverse | `Present` alone: the kind says the rest |
//! | metacopy file | `Present` with the data of the lower file that holds it |
//! | renamed directory (redirect) | `Present` with its whole merged content; the old name is a whiteout in the upperdir |
//!
//! Parents come before children, and names are in byte order, so equal trees give equal sequences. At most some 70
//! descriptors are open, however deep the tree is, and up to 128 more while other threads ask ahead.

mod change;
mod dir;
mod error;
mod frame;
mod listing;
mod prefetch;
mod stats;
mod walker;

use crate::beneath::Root;
use crate::layers::Layers;
use crate::lower::Lowers;
pub use change::{Change, DataSource, Present};
pub use error::{DiffError, WalkError};
pub use stats::DiffStats;
use walker::Walker;

/// Walks the upperdir once and hands every change to `visit`.
///
/// The upperdir should not change meanwhile: a file that vanishes during the walk is an error.
///
/// # Errors
/// [`WalkError::Visit`] with the visitor's own error, [`WalkError::Diff`] for all else.
///
/// # Examples
/// ```no_run
/// use std::path::Path;
/// use layerfs::{Change, LayerStore, OverlayMounts};
///
/// let layers = OverlayMounts::new().layers_at(Path::new("/mnt/merged"))?;
/// layerfs::walk(&layers, |change| {
///     match change {
///         Change::Present(present) => println!("C {}", present.path.display()),
///         Change::Deleted { path, .. } => println!("D {}", path.display()),
///     }
///     Ok::<(), std::io::Error>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk<E>(layers: &Layers, visit: impl FnMut(Change<'_>) -> Result<(), E>) -> Result<DiffStats, WalkError<E>> {
    let lowers = Lowers::open(layers).map_err(DiffError::from)?;
    let root = Root::open(&layers.upperdir).map_err(DiffError::from)?;
    Walker::new(root, &lowers, layers, visit).run()
}
