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
    let place = |index: usize| history.path_of(&saves[index]);
    let previous = index.checked_sub(1)?;
    let pair = |source, target, progress: &mut dyn Progress| {
        let archives = vec![Import::File(place(source)), Import::File(place(target))];
        dedup(&DedupOptions { archives, interrupt: interrupt.cloned() }, progress)
    };
    // The save before may have been killed over this. Where it was not, there is next to nothing to be done.
    if let Some(before) = previous.checked_sub(1) {
        let _ = pair(before, previous, progress);
    }
    match pair(previous, index, progress) {
        Ok(reports) => reports.first().map(|report| report.shared),
        // Nothing is lost, and nothing can be done about it.
        Err(DedupError::Interrupted | DedupError::CannotShare { .. }) => None,
        Err(error) => {
            progress.warning(&format!("the save shares no memory with {}: {error}", place(previous).display()));
            None
        }
    }
}
