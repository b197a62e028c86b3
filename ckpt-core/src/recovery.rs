//! What runs that were killed left behind, put right by the next one.
//!
//! | killed | leaves | it is known by |
//! |---|---|---|
//! | checkpoint | a session folder; a frozen cgroup, and names that CRIU gave files (`link_remaps`), if CRIU went down as well | the folder, whose lock is free |
//! | checkpoint to an image | a folder in podman's storage, and the archive in it, which is told and kept (`image_folder`) | its name; its lock is free |
//! | rollback | what a restore leaves, or a container that is removed; it is saved | the note in the storage's folder, whose lock is free |
//! | restore | a session folder; a container that never ran, its volumes; processes that podman does not know; CRIU's mount points in `/tmp` | the journal in the storage's folder, whose lock is free |
//!
//! Nothing is removed unless a mark proves that a dead run made it: the lock of its folder and journal, a container's
//! ID and layer, the folder of a volume (`journal`), a file that its CRIU has open (`work`).
//!
//! A killed checkpoint leaves neither a name nor a file of its archive (O_TMPFILE), and its hook has CRIU undo the
//! dump.

mod dead_journals;
mod freezer;
pub(crate) mod half_made;
pub(crate) mod image_folder;
pub(crate) mod journal;
pub(crate) mod leases;
mod netns;
pub(crate) mod replacement;
mod runtime;
pub(crate) mod stray_container;
pub(crate) mod work;

use std::io;
use std::path::Path;

use layerfs::ContainersStorage;

pub(crate) use freezer::thaw;
use half_made::{HalfMade, Removed};
pub(crate) use journal::Journal;
pub use journal::JournalError;
use work::Work;

use crate::criu::arrival;
use crate::criu::link_remaps::{self, LinkRemaps};
use crate::criu::mount_points;
use crate::engine::Engine;
use crate::engine::cgroup::in_cgroup_of;
use crate::host::frozen;
use crate::host::interrupt::{Interrupt, interrupted};
use crate::host::session::{self, SessionError};
use crate::host::waiting::Waiting;
use crate::progress::Progress;

/// Puts right what killed runs left, with this `storage`. Others who want to, wait: afterwards it is done for them too.
///
/// What cannot be put right is told as a warning, and tried again by the next run, as is what the `interrupt` leaves:
/// it should end the calls of the `engine` as well, for which there is no other limit.
pub(crate) fn recover(
    engine: &dyn Engine,
    storage: &ContainersStorage,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<(), SessionError> {
    let waiting = &mut Waiting::new(interrupt, progress);
    let _all = session::lock_all(waiting)?;
    let failed = |source| SessionError::new("put right what killed runs left in", session::SESSIONS, source);
    let go_on = || match interrupt {
        Some(interrupt) if interrupt.is_raised() => Err(failed(interrupted())),
        _ => Ok(()),
    };
    for folder in session::dead()? {
        go_on()?;
        recover_session(engine, &folder, waiting).map_err(failed)?;
    }
    session::clear_scratch()?;
    for journal in dead_journals::find(storage.graph_root(), waiting) {
        go_on()?;
        recover_restore(engine, storage, journal, waiting).map_err(failed)?;
    }
    if let Err(error) = replacement::tell(engine, storage.graph_root(), waiting) {
        waiting.warning(&format!("whether a container is missing since a rollback is not known: {error}"));
    }
    image_folder::tell(storage.graph_root(), waiting);
    mount_points::remove_unused();
    arrival::forget(|id| storage.container(id).is_ok_and(|container| container.is_none()));
    go_on()
}

/// Removes what the restore of `journal` had made when it was killed. A failure is told as a warning.
///
/// # Errors
/// That the interrupt was raised.
fn recover_restore(
    engine: &dyn Engine,
    storage: &ContainersStorage,
    journal: Journal,
    waiting: &mut Waiting<'_>,
) -> io::Result<()> {
    let bundle =
        journal.container().map(|id| storage.graph_root().join("overlay-containers").join(id).join("userdata"));
    work::wait_for_end_of(Work::Restore(&journal.begun.session), bundle.as_deref(), waiting)?;
    let found = HalfMade::find(engine, storage, &journal);
    match found.and_then(|left| left.remove_unless_it_has_run(engine, waiting)) {
        Ok(Removed::All) => journal.end(),
        // The next run tries again.
        Ok(Removed::ButNetworks) => {}
        Err(_) if waiting.interrupt.is_some_and(Interrupt::is_raised) => return Err(interrupted()),
        Err(error) => {
            waiting.warning(&format!(
                "a restore of {} was killed, and what it had made cannot be removed: {error}",
                journal.begun.name
            ));
        }
    }
    Ok(())
}

/// Removes the names that a killed CRIU gave open files of the container `id`.
fn remove_link_remaps(id: &str, folder: &Path, waiting: &mut Waiting<'_>) {
    match LinkRemaps::noted(folder) {
        Ok(noted) => {
            let left = noted.map(|noted| noted.take_back(in_cgroup_of(id))).unwrap_or_default();
            link_remaps::warning(&left).iter().for_each(|warning| waiting.warning(warning));
        }
        Err(error) => waiting.warning(&format!("read what a killed checkpoint noted in {}: {error}", folder.display())),
    }
}

/// Sees to it that the container of a killed checkpoint stands still no longer.
fn recover_session(engine: &dyn Engine, folder: &Path, waiting: &mut Waiting<'_>) -> io::Result<()> {
    frozen::thaw_noted(&folder.join(frozen::BEGUN));
    let container = session::container_of(folder);
    let work = if container.is_some() { Work::Dump(folder) } else { Work::Restore(folder) };
    let idle = work::wait_for_end_of(work, None, waiting)?;
    let thawed = match &container {
        Some(id) => thaw(engine, id),
        None => Ok(()),
    };
    if idle && let Some(id) = container {
        remove_link_remaps(&id, folder, waiting);
    }
    if let Err(error) = thawed {
        waiting.warning(&format!("a checkpoint was killed, and its container may be frozen: {error}"));
    } else if idle && let Err(error) = std::fs::remove_dir_all(folder) {
        waiting.warning(&format!("remove {}: {error}", folder.display()));
    }
    Ok(())
}
