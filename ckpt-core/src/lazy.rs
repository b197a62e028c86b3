//! `lazy`: whose memory is on its way, and the wait for it.
//!
//! A container that was restored with [`Lazy::IfPossible`](crate::restore::Lazy) runs before its memory is there. Two
//! processes bring it, which outlive whoever restored the container.

use std::io;
use std::time::SystemTime;

use criu_pages::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::criu::arrival;
pub use crate::criu::arrival::ArrivalError;
use crate::engine::{Engine, EngineError, Podman};
use crate::host::interrupt::Interrupt;
use crate::progress::Progress;

/// A container, and how far its memory is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Arrival {
    /// The container's ID.
    pub id: String,
    /// Its name; none if podman does not have it any more.
    pub name: Option<String>,
    /// Whether the memory comes, or why it does not.
    pub state: ArrivalState,
    /// Bytes that could come later.
    pub total_bytes: u64,
    /// Bytes of them that are there, or that nobody wants any more.
    pub arrived_bytes: u64,
    /// Bytes a second since they began to come.
    pub bytes_per_second: Option<u64>,
    /// When they began to come, in seconds since 1970.
    pub since: Option<u64>,
    /// Why the container was killed, if its memory did not come.
    pub reason: Option<String>,
}

/// How it stands with a container's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalState {
    /// The container is about to run.
    Begins,
    /// It runs, and the memory comes.
    Comes,
    /// The memory did not come, and the container was killed.
    Lost,
}

/// Why it cannot be told how far a container's memory is.
#[derive(Debug, thiserror::Error)]
pub enum LazyError {
    /// The notes on containers cannot be read.
    #[error("read what is noted of memory on its way")]
    Notes(#[source] io::Error),
    /// podman has no answer; also that it knows no such container.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// All containers of this host whose memory is on its way, or was lost.
///
/// # Errors
/// [`LazyError::Notes`].
pub fn all(interrupt: Option<&Interrupt>) -> Result<Vec<Arrival>, LazyError> {
    let podman = Podman::anyones().map(|podman| podman.until(interrupt)).ok();
    let arrivals = arrival::all().map_err(LazyError::Notes)?.into_iter().filter_map(|(id, status)| {
        let facts = podman.as_ref().and_then(|podman| podman.inspect(&id).ok());
        let state = match status.state {
            State::Complete | State::Abandoned => return None,
            // It was begun anew.
            State::Failed | State::Lost if facts.as_ref().is_some_and(|facts| facts.state.status == "running") => {
                arrival::forget(|other| other == id);
                return None;
            }
            State::Failing | State::Failed | State::Lost => ArrivalState::Lost,
            State::Arriving => ArrivalState::Comes,
            State::Listening | State::Receiving | State::Held => ArrivalState::Begins,
        };
        let since = status.since.and_then(|since| since.duration_since(SystemTime::UNIX_EPOCH).ok());
        Some(Arrival {
            name: facts.map(|facts| facts.name),
            id,
            state,
            total_bytes: status.lazy_bytes,
            arrived_bytes: status.arrived_bytes,
            bytes_per_second: status.rate(),
            since: since.map(|since| since.as_secs()),
            reason: status.reason,
        })
    });
    Ok(arrivals.collect())
}

/// The same of one `container`, by its name or ID: none if its memory is there. One that podman has removed since is known
/// by the beginning of its ID.
///
/// # Errors
/// [`LazyError`], if nobody knows it.
pub fn of(container: &str, interrupt: Option<&Interrupt>) -> Result<Vec<Arrival>, LazyError> {
    let known = Podman::anyones()?.until(interrupt).inspect(container);
    let mut arrivals = all(interrupt)?;
    match known {
        Ok(facts) => arrivals.retain(|arrival| arrival.id == facts.id),
        Err(error @ EngineError::UnknownContainer { .. }) => {
            arrivals.retain(|arrival| arrival.name.is_none() && arrival.id.starts_with(container));
            if arrivals.is_empty() {
                return Err(error.into());
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(arrivals)
}

/// Waits until all memory of the container `id` is there; at once if none is on its way.
///
/// # Errors
/// [`ArrivalError`]; the memory goes on coming after an interrupt.
pub fn wait(id: &str, interrupt: Option<&Interrupt>, progress: &mut dyn Progress) -> Result<(), ArrivalError> {
    arrival::wait(id, interrupt, progress)
}
