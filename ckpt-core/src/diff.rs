//! `diff`: what a container changed, or what lies between two checkpoints.
//!
//! | of | compared with | costs |
//! |---|---|---|
//! | a container, or a merged directory | its image | one walk of the upperdir |
//! | an archive | its image, if that is in the storage | one pass over the headers |
//! | anything | anything else | both of these, and both lists in memory |
//!
//! Paths come in the order of a walk: parents before children, names in byte order. A deleted directory is one line.
//! Between two snapshots a file counts as changed if any attribute that an archive keeps is another: kind, size, mode,
//! owner, time (ns), extended attributes, link target, device number. Content is not read.

mod between;
mod difference;
mod error;
mod of_image;
mod snapshot;

use std::path::Path;

use crate::operand::Operand;
pub use difference::{DiffReport, Difference, Letter};
pub use error::DifferenceError;
use snapshot::Snapshot;

/// Hands every difference between `operand` and its image to `visit`. A compressed archive is unpacked in `spool`.
///
/// # Errors
/// [`DifferenceError`].
pub fn of_image<E>(
    operand: &Operand,
    spool: &Path,
    visit: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<DiffReport, DifferenceError<E>> {
    match operand {
        Operand::Layers { layers, .. } => of_image::container(layers, visit).map(|()| DiffReport::default()),
        Operand::Archive(path) => of_image::archive(path, spool, visit),
    }
}

/// Hands every difference that leads from `old` to `new` to `visit`; both are of the same image.
///
/// # Errors
/// [`DifferenceError`].
pub fn between<E>(
    old: &Operand,
    new: &Operand,
    spool: &Path,
    visit: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<DiffReport, DifferenceError<E>> {
    let part = old.part();
    if part != new.part() {
        return Err(DifferenceError::Parts { old: part.to_owned(), new: new.part().to_owned() });
    }
    let (old, new) = (Snapshot::take(old, spool)?, Snapshot::take(new, spool)?);
    between::compare(&old, &new, part, visit)
}
