//! What a save has in common with the one before it lies on the disk once.

use crate::archive::Import;
use crate::dedup::{DedupError, DedupOptions, Shared, dedup};
use crate::host::interrupt::Interrupt;
use crate::progress::Progress;
use crate::store::Store;

/// Has the save `id` of the container `name` share blocks with the one before it. Both are whole without, so a failure is a
/// warning. The caller has the container's lock: neither is removed meanwhile.
///
/// Files are clones of the same files anyway: this is for the memory, which CRIU writes anew each time.
pub(crate) fn share_with_previous(
    store: &Store,
    name: &str,
    id: &str,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Option<Shared> {
    let history = store.history(name).ok()?;
    let saves = history.saves();
    let index = saves.iter().position(|saved| saved.id == id)?;
    let previous = history.path_of(saves.get(index.checked_sub(1)?)?);
    let archives = vec![Import::File(previous.clone()), Import::File(history.path_of(&saves[index]))];
    match dedup(&DedupOptions { archives, interrupt: interrupt.cloned() }, progress) {
        Ok(reports) => reports.first().map(|report| report.shared),
        // Nothing is lost, and nothing can be done about it.
        Err(DedupError::Interrupted | DedupError::CannotShare { .. }) => None,
        Err(error) => {
            progress.warning(&format!("the save shares no memory with {}: {error}", previous.display()));
            None
        }
    }
}
