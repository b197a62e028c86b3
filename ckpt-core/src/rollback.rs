//! `rollback`: a container becomes what it was at a save, under its name and ID.
//!
//! ```text
//! find the save, hold it ─ look at all that can be looked at ─┬─ note ─ save the present state, stopped ─ remove it ─ restore
//!                                                             │                                            failed:  └─ back
//!                                                             └─ anything wrong: nothing was touched
//! ```
//!
//! From the save of the present state on nothing can be lost: the container is in two archives, and a note says which
//! (`recovery/replacement.rs`). A container that does not run is saved without memory. Going back to such a save makes the
//! container with its files of then, and does not start it: it did not run then.

mod error;
mod present;
mod volumes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use aligntar::ClonePolicy;

use crate::engine::{Engine, EngineError, Podman};
use crate::host::byte_path::BytePath;
use crate::host::interrupt::Interrupt;
use crate::host::waiting::Waiting;
use crate::progress::Progress;
use crate::recovery::replacement::{Note, Replaced};
use crate::restore::{Contents, Import, Lazy, RestoreError, RestoreOptions, host_at_rest, restore, restore_after};
use crate::save::{Place, SaveOptions, SaveReport, share_with_previous};
use crate::store::{ContainerLock, Reading, SaveSpec, Saved, Store};
pub use error::RollbackError;
use present::Present;

/// What to bring back, and how.
#[derive(Clone, Debug, Default)]
pub struct RollbackOptions {
    /// Name or ID of the container; only the name, if there is none any more.
    pub container: String,
    /// The save: `web~2`, `~2`, an ID or a tag; the newest if nothing is said.
    pub to: Option<String>,
    /// The store's folder, where it is not the usual one.
    pub store: Option<PathBuf>,
    /// Do not save the present state.
    pub discard: bool,
    /// Leave named volumes as they are.
    pub ignore_volumes: bool,
    /// The pod to restore into, for a container that is not there any more; one that is stays in its pod.
    pub pod: Option<String>,
    /// Restore it whoever owns or may write the archive, and whatever it has podman do.
    pub trust: bool,
    /// Take the image that has the recorded name here, though it is another one.
    pub allow_image_mismatch: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether the container runs before its memory is there.
    pub lazy: Lazy,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work; from the removal of the present state on, that is brought back.
    pub interrupt: Option<Interrupt>,
}

/// What a rollback did.
#[derive(Clone, Debug)]
pub struct RollbackReport {
    /// The container's ID.
    pub id: String,
    /// The save that it is now.
    pub to: Saved,
    /// The save of what it was before.
    pub before: Option<SaveReport>,
    /// From the first look to the running container.
    pub elapsed: Duration,
}

/// Replaces a container by what it was.
///
/// # Errors
/// [`RollbackError`]; each says what became of the container.
pub fn rollback(options: &RollbackOptions, progress: &mut dyn Progress) -> Result<RollbackReport, RollbackError> {
    let started = Instant::now();
    // A killed rollback may have left a container half made: that is not the present.
    let (engine, _) = host_at_rest(options.force, options.interrupt.as_ref(), progress)?;
    let present = Present::of(&engine, &options.container)?;
    let name = present.name().unwrap_or(&options.container).to_owned();
    let store = Store::find(options.store.as_deref())?;
    // Before a folder is made.
    store.history(&name)?.find(&SaveSpec::newest(&name).which)?;
    let folder = store.make_folder_of(&name)?;
    let lock = ContainerLock::take(&folder, &mut Waiting::new(options.interrupt.as_ref(), progress))?;
    let (to, reading) = find(&store, &name, options, &present)?;
    let present = if options.discard { present } else { present.with_its_memory(&engine)? };
    let mut run = Run {
        options,
        engine: &engine,
        present,
        place: Place { store: &store, folder: &folder, name: &name, _lock: lock },
        target: &to,
        before: None,
        volumes: Vec::new(),
        note: None,
    };
    let id = run.run(&reading, progress)?;
    let mut before = run.before.take();
    if let Some(before) = &mut before {
        before.shared = share_with_previous(&store, &name, &before.id, options.interrupt.as_ref(), progress);
    }
    Ok(RollbackReport { id, to, before, elapsed: started.elapsed() })
}

/// The save to go back to. Of a container that had the name before, it has to be named.
fn find(
    store: &Store,
    name: &str,
    options: &RollbackOptions,
    present: &Present,
) -> Result<(Saved, Reading), RollbackError> {
    let spec = options.to.as_ref().map_or_else(|| SaveSpec::newest(name), |text| SaveSpec::of(name, text));
    let (saved, reading) = store.open(&spec)?;
    match present.id() {
        Some(id) if options.to.is_none() && id != saved.container_id => {
            let (name, save) = (name.to_owned(), saved.short_id().to_owned());
            Err(RollbackError::AnothersSave { name, save })
        }
        _ => Ok((saved, reading)),
    }
}

/// A rollback on its way.
struct Run<'r> {
    options: &'r RollbackOptions,
    engine: &'r Podman,
    present: Present,
    place: Place<'r>,
    target: &'r Saved,
    before: Option<SaveReport>,
    /// Volumes that are to be removed, since a restore makes them.
    volumes: Vec<String>,
    /// There from the removal on.
    note: Option<Note>,
}

impl Run<'_> {
    /// Gives the container's ID.
    fn run(&mut self, reading: &Reading, progress: &mut dyn Progress) -> Result<String, RollbackError> {
        let options = self.restore_options(reading)?;
        match restore_after(&options, progress, |contents, progress| self.make_way(contents, progress)) {
            Ok(report) => Ok(report.id),
            Err(RollbackError::Restore(source)) if self.note.is_some() => Err(self.bring_back(source, progress)),
            Err(error) => Err(error),
        }
    }

    fn restore_options(&self, reading: &Reading) -> Result<RestoreOptions, RollbackError> {
        let file = reading.file().try_clone().map_err(RollbackError::Reopen)?;
        let import = Import::Opened { file: file.into(), name: reading.path().to_owned(), has_path: true };
        Ok(RestoreOptions {
            lazy: self.options.lazy,
            interrupt: self.options.interrupt.clone(),
            ..self.restore_of(import, &self.target.flags)
        })
    }

    fn restore_of(&self, import: Import, flags: &[String]) -> RestoreOptions {
        let RollbackOptions { ignore_volumes, trust, allow_image_mismatch, force, clone_policy, .. } = *self.options;
        let has = |flag: &str| flags.iter().any(|given| given == flag);
        RestoreOptions {
            import,
            ignore_volumes,
            // The other ends have gone on since.
            tcp_close: has("--tcp-established"),
            file_locks: has("--file-locks"),
            pod: self.present.pod().or(self.options.pod.as_deref()).map(str::to_owned),
            trust,
            allow_image_mismatch,
            force,
            clone_policy,
            ..RestoreOptions::default()
        }
    }

    fn save_options(&self) -> SaveOptions {
        let RollbackOptions { force, clone_policy, ref interrupt, .. } = *self.options;
        SaveOptions {
            note: "before a rollback".to_owned(),
            // Whatever it has: it is stopped by that.
            tcp_established: true,
            file_locks: true,
            force,
            clone_policy,
            interrupt: interrupt.clone(),
            ..SaveOptions::default()
        }
    }

    /// Saves what is there, and removes it.
    fn make_way(&mut self, contents: &Contents<'_>, progress: &mut dyn Progress) -> Result<(), RollbackError> {
        let RollbackOptions { ignore_volumes, discard, ref interrupt, .. } = *self.options;
        check_name(self.place.name, contents)?;
        self.present.check_id(contents)?;
        let volumes = match ignore_volumes {
            true => Vec::new(),
            false => volumes::in_the_way(self.engine, contents.config, self.present.id())?,
        };
        let waiting = &mut Waiting::new(interrupt.as_ref(), progress);
        let note = Note::begin(contents.storage.graph_root(), &self.replaced(), waiting)?;
        if !discard {
            let (engine, to) = (self.engine, self.place.folder.join(&self.target.file.0));
            self.before = self.present.save(engine, &volumes, &to, &self.place, &self.save_options(), progress)?;
        }
        if let Some(before) = &self.before {
            note.saved_before(&before.id)?;
        }
        // What follows is undone by a restore, not by an interrupt.
        let engine = self.engine.until(None);
        self.present.remove(&engine)?;
        self.note = Some(note);
        self.volumes = volumes;
        Ok(self.remove_volumes().map_err(RestoreError::from)?)
    }

    /// Removes those that are still there.
    fn remove_volumes(&mut self) -> Result<(), EngineError> {
        let engine = self.engine.until(None);
        while let Some(volume) = self.volumes.last() {
            // podman removes those without a name with the container.
            if engine.has_volume(volume)? {
                engine.remove_volume(volume)?;
            }
            self.volumes.pop();
        }
        Ok(())
    }

    fn replaced(&self) -> Replaced {
        let store = self.options.store.clone().map(BytePath);
        let (may_stand, becomes_stopped) = (self.present.is_stopped(), self.target.has_no_memory());
        Replaced { name: self.place.name.to_owned(), target: self.target.id.clone(), store, may_stand, becomes_stopped }
    }

    /// Has the container be what it was before the rollback, whose restore has failed.
    fn bring_back(&mut self, source: Box<RestoreError>, progress: &mut dyn Progress) -> RollbackError {
        if self.before.is_some() {
            // What stands in the way of the one restore does so of the other.
            let _ = self.remove_volumes();
        }
        let Some(before) = &self.before else {
            // The next run tells of it.
            self.note.take().into_iter().for_each(Note::keep);
            let gone = if self.options.discard { "is gone, as --discard said" } else { "was gone before" };
            let outcome = format!("and the container {gone}: `ckpt rollback {}` tries again", self.place.name);
            return RollbackError::Failed { outcome, source };
        };
        let flags = ["--tcp-established".to_owned(), "--file-locks".to_owned()];
        // This run has made it, of a container that was here.
        let import = Import::File(before.path.clone());
        let options = RestoreOptions { trust: true, ..self.restore_of(import, &flags) };
        let outcome = match restore(&options, progress) {
            Ok(_) if matches!(self.present, Present::Running(_)) => {
                "and the container runs as it did before".to_owned()
            }
            Ok(_) => "and the container is stopped, with its files as they were".to_owned(),
            Err(error) => {
                self.note.take().into_iter().for_each(Note::keep);
                format!(
                    "and the container cannot be brought back either ({error}): it is whole in {}, `ckpt rollback {} {}` \
                     tries again",
                    before.path.display(),
                    self.place.name,
                    before.id
                )
            }
        };
        RollbackError::Failed { outcome, source }
    }
}

fn check_name(name: &str, contents: &Contents<'_>) -> Result<(), RollbackError> {
    match &contents.config.name {
        same if same == name => Ok(()),
        other => Err(RollbackError::AnothersName { name: name.to_owned(), other: other.clone() }),
    }
}
