//! From one snapshot to another, both of the same image.
//!
//! A path can be present in a snapshot's diff, deleted, or neither: then it is as in the image, which may have nothing
//! there.
//!
//! | old | new | is |
//! |---|---|---|
//! | present | present, another | changed |
//! | present | deleted or neither | deleted: nobody in a container can undo a copy-up, so it was new and was removed |
//! | deleted | present or neither | added |
//! | neither | present | added or changed, as the image says |
//! | neither | deleted | deleted |

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use layerfs::Lowers;

use super::difference::{DiffReport, Difference, Letter, seen};
use super::error::DifferenceError;
use super::of_image::{letter, replaced, size_of};
use super::snapshot::{Node, Snapshot};

/// Hands each difference to `visit`, in path order.
pub(super) fn compare<E>(
    old: &Snapshot,
    new: &Snapshot,
    part: &Path,
    visit: &mut dyn FnMut(Difference) -> Result<(), E>,
) -> Result<DiffReport, DifferenceError<E>> {
    let image = old.image.as_ref().or(new.image.as_ref());
    let mut gone: Option<&Path> = None;
    for path in paths(old, new) {
        // What a deleted directory contained goes with it.
        if gone.is_some_and(|gone| path.starts_with(gone)) {
            continue;
        }
        let Some(difference) = difference(old, new, image, (path, part))? else { continue };
        gone = (difference.change == Letter::D).then_some(path);
        visit(difference).map_err(DifferenceError::Visit)?;
    }
    Ok(DiffReport { image_missing: image.is_none() })
}

fn paths<'s>(old: &'s Snapshot, new: &'s Snapshot) -> BTreeSet<&'s PathBuf> {
    let present = old.present.keys().chain(new.present.keys());
    present.chain(&old.deleted).chain(&new.deleted).collect()
}

fn difference<E>(
    old: &Snapshot,
    new: &Snapshot,
    image: Option<&Lowers>,
    (path, part): (&Path, &Path),
) -> Result<Option<Difference>, DifferenceError<E>> {
    let (before, after) = (old.present.get(path), new.present.get(path));
    let was_deleted = is_covered(&old.deleted, path);
    let in_image = replaced(image, path)?;
    let change = match (before, after) {
        (Some(before), Some(after)) if before == after => return Ok(None),
        (Some(_), Some(_)) => Letter::C,
        (Some(_), None) => Letter::D,
        (None, None) if was_deleted && is_covered(&new.deleted, path) => return Ok(None),
        (None, _) if was_deleted => Letter::A,
        (None, Some(_)) => letter(image, in_image.as_ref()),
        (None, None) => Letter::D,
    };
    let of_image = in_image.as_ref().and_then(size_of).filter(|_| !was_deleted);
    let old_size = if before.is_some() { before.and_then(Node::size) } else { of_image };
    Ok(Some(Difference { change, path: seen(path, part), old_size, size: after.and_then(Node::size) }))
}

/// Whether the path, or a directory above it, is in the list.
fn is_covered(deleted: &BTreeSet<PathBuf>, path: &Path) -> bool {
    path.ancestors().any(|ancestor| deleted.contains(ancestor))
}
