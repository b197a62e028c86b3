//! The volumes of a restored container, made by podman while another podman is on its way to the container.
//!
//! podman's import makes volumes as well, but takes one that is there by then for its own. `podman volume create` does
//! not, and says so in the journal, even if this program is killed meanwhile.

use std::collections::BTreeMap;

use super::planned_volumes::PlannedVolume;
use crate::engine::{Engine, EngineError};
use crate::host::interrupt::Interrupt;
use crate::host::survivor::Survivor;
use crate::recovery::{Journal, JournalError};

/// A volume was not made.
#[derive(Debug, thiserror::Error)]
#[error("make the volume {name:?}")]
pub struct VolumeError {
    /// Its name.
    name: String,
    #[source]
    source: VolumeCause,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
enum VolumeCause {
    /// podman could not, or found one.
    #[error(transparent)]
    Podman(#[from] EngineError),
    /// Nothing could have told whose it is.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Volumes in the making.
pub(super) struct Volumes<'r> {
    engine: &'r dyn Engine,
    begun: BTreeMap<&'r str, Result<Survivor, VolumeCause>>,
}

impl<'r> Volumes<'r> {
    pub(super) fn begin(engine: &'r dyn Engine, volumes: &'r [PlannedVolume], journal: &Journal) -> Self {
        let begin = |name: &str| Ok(engine.start_volume(name, journal.for_volumes()?)?);
        let named = volumes.iter().filter(|volume| !volume.is_anonymous);
        let begun = named.map(|volume| (&volume.name[..], begin(&volume.name))).collect();
        Volumes { engine, begun }
    }

    /// Waits until all are made; of a raised `interrupt`, no longer than that takes.
    pub(super) fn finish(&mut self, journal: &mut Journal, interrupt: Option<&Interrupt>) -> Result<(), VolumeError> {
        let mut finished = Ok(());
        while let Some((name, made)) = self.begun.pop_first() {
            match made.and_then(|made| Ok(self.engine.finish_volume(made, interrupt)?)) {
                Ok(()) => journal.made_volume(name),
                Err(source) => finished = Err(VolumeError { name: name.to_owned(), source }),
            }
        }
        finished
    }
}
