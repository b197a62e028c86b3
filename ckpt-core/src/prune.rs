//! `prune` and `rm`: archives that are no longer wanted.

mod size;

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::host::interrupt::Interrupt;
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::retention::{Candidate, Policy, Reason, Size};
use crate::store::{ContainerLock, History, SaveSpec, Saved, Store, StoreError, remove_unless_read};

/// What to keep.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// The container's name.
    pub container: String,
    /// The store's folder, where it is not the usual one.
    pub store: Option<PathBuf>,
    /// Which saves; all if it has no rule.
    pub policy: Policy,
    /// How much those may occupy together, blocks that they share counted once. The oldest go first, but neither the
    /// newest of all nor those that the policy keeps for their tags.
    pub max_size: Option<Size>,
    /// Remove nothing.
    pub dry_run: bool,
    /// Stops the wait for others.
    pub interrupt: Option<Interrupt>,
}

/// What a prune did, or would do. The oldest first.
#[derive(Debug, Default)]
pub struct PruneReport {
    /// With the reasons.
    pub kept: Vec<(Saved, Vec<Reason>)>,
    /// Those that are gone.
    pub removed: Vec<Saved>,
    /// Those that would be gone, if nobody read them now.
    pub in_use: Vec<Saved>,
    /// What is kept occupies more than it may.
    pub too_large: bool,
    /// Why saves stay that should be gone: [`PruneError::Remove`].
    pub failures: Vec<PruneError>,
}

/// What became of single saves.
#[derive(Debug, Default)]
pub struct RemoveReport {
    /// Those that are gone.
    pub removed: Vec<Saved>,
    /// Why others are not: [`PruneError::InUse`], [`PruneError::Remove`].
    pub failures: Vec<PruneError>,
}

/// Why nothing, or not all, was removed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No save would be left.
    #[error("these rules keep no save of {container} at all, so none is removed: `ckpt rm` removes single ones")]
    NothingKept {
        /// The container's name.
        container: String,
    },
    /// It is read.
    #[error("{} is in use: try again when it is not", path.display())]
    InUse {
        /// The archive.
        path: PathBuf,
    },
    /// It cannot be removed.
    #[error("remove {}, which may be immutable (lsattr)", path.display())]
    Remove {
        /// The archive.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// Removes the saves of a container that are not to be kept, by the rules of restic's `forget`.
///
/// # Errors
/// [`PruneError`].
pub fn prune(options: &PruneOptions, progress: &mut dyn Progress) -> Result<PruneReport, PruneError> {
    let store = Store::find(options.store.as_deref())?;
    let waiting = &mut Waiting::new(options.interrupt.as_ref(), progress);
    let _lock = lock(&store, &options.container, options.dry_run, waiting)?;
    let history = store.history(&options.container)?;
    let Plan { kept, mut goes, too_large } = Plan::make(&history, options)?;
    let (mut in_use, mut failures) = (Vec::new(), Vec::new());
    if !options.dry_run {
        let mut removed = Vec::new();
        for saved in goes {
            // One that cannot be removed, as an immutable one, keeps no others.
            match remove(&history, &saved) {
                Ok(true) => removed.push(saved),
                Ok(false) => in_use.push(saved),
                Err(error) => failures.push(error),
            }
        }
        goes = removed;
        // The index forgets them.
        store.history(&options.container)?;
    }
    Ok(PruneReport { kept, removed: goes, in_use, too_large, failures })
}

/// Removes single saves; all of them are found before the first is removed. One that cannot be removed keeps no others.
///
/// # Errors
/// [`PruneError`].
pub fn remove_saves(
    specs: &[SaveSpec],
    store: Option<&std::path::Path>,
    interrupt: Option<&Interrupt>,
    progress: &mut dyn Progress,
) -> Result<RemoveReport, PruneError> {
    let store = Store::find(store)?;
    let mut containers: Vec<&str> = specs.iter().map(|spec| &spec.container[..]).collect();
    // In one order, so that two of these do not wait for each other.
    containers.sort_unstable();
    containers.dedup();
    let waiting = &mut Waiting::new(interrupt, progress);
    let mut locks = Vec::new();
    for container in &containers {
        locks.extend(lock(&store, container, false, waiting)?);
    }
    let mut found: Vec<(History, Saved)> = Vec::new();
    for spec in specs {
        let history = store.history(&spec.container)?;
        let saved = history.find(&spec.which)?.clone();
        if !found.iter().any(|(known, other)| history.path_of(&saved) == known.path_of(other)) {
            found.push((history, saved));
        }
    }
    let mut report = RemoveReport::default();
    for (history, saved) in found {
        match remove(&history, &saved) {
            Ok(true) => report.removed.push(saved),
            Ok(false) => report.failures.push(PruneError::InUse { path: history.path_of(&saved) }),
            Err(error) => report.failures.push(error),
        }
    }
    containers.iter().try_for_each(|container| store.history(container).map(drop))?;
    Ok(report)
}

/// Nobody saves the container, or rolls it back, meanwhile. What has no folder needs no lock.
fn lock(
    store: &Store,
    container: &str,
    dry_run: bool,
    waiting: &mut Waiting<'_>,
) -> Result<Option<ContainerLock>, StoreError> {
    match store.history(container)?.saves().is_empty() || dry_run {
        true => Ok(None),
        false => ContainerLock::take(&store.make_folder_of(container)?, waiting).map(Some),
    }
}

fn remove(history: &History, saved: &Saved) -> Result<bool, PruneError> {
    let path = history.path_of(saved);
    remove_unless_read(&path).map_err(|source| PruneError::Remove { path, source })
}

/// What stays and what goes, the oldest first.
struct Plan {
    kept: Vec<(Saved, Vec<Reason>)>,
    goes: Vec<Saved>,
    too_large: bool,
}

impl Plan {
    fn make(history: &History, options: &PruneOptions) -> Result<Self, PruneError> {
        let saves = history.saves();
        let mut reasons = reasons(saves, &options.policy);
        if !saves.is_empty() && reasons.iter().all(Option::is_none) {
            return Err(PruneError::NothingKept { container: options.container.clone() });
        }
        let too_large = match options.max_size {
            Some(size) => size::limit(history, &options.policy, size, &mut reasons)?,
            None => false,
        };
        let (mut kept, mut goes) = (Vec::new(), Vec::new());
        for (saved, reasons) in saves.iter().zip(reasons) {
            match reasons {
                Some(reasons) => kept.push((saved.clone(), reasons)),
                None => goes.push(saved.clone()),
            }
        }
        Ok(Plan { kept, goes, too_large })
    }
}

/// Why each of `saves` is kept; none for what goes.
fn reasons(saves: &[Saved], policy: &Policy) -> Vec<Option<Vec<Reason>>> {
    if policy.is_empty() {
        return saves.iter().map(|_| Some(Vec::new())).collect();
    }
    let newest_first = saves.iter().rev();
    let candidates: Vec<_> =
        newest_first.map(|saved| Candidate { created: saved.created, tags: &saved.tags }).collect();
    let reasons = policy.apply(&candidates, Timestamp::now(), &TimeZone::system());
    reasons.into_iter().rev().map(|reasons| (!reasons.is_empty()).then_some(reasons)).collect()
}
