//! Gives back addresses that podman leased for a container, and was killed before it could note them.
//!
//! podman leases the addresses of a restored container before it notes that the container has a network, and gives back
//! only what it noted. Killed between the two, it leaves leases without an owner: until the next boot nobody gets these
//! addresses, and no restore of a container that had one of them succeeds.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::archive::{ArchiveError, CheckpointArchive, NETWORK_STATUS};
use crate::engine::{Engine, EngineError};

/// The networks in which a container of this archive leases addresses, those it had or others.
pub(crate) fn networks_of(archive: &CheckpointArchive) -> Result<Vec<String>, ArchiveError> {
    // containers/common, `libnetwork/types.StatusBlock` by the networks' names; without networks, podman writes `null`.
    let networks: Option<Option<BTreeMap<String, IgnoredAny>>> = archive.json(NETWORK_STATUS)?;
    Ok(networks.flatten().into_iter().flatten().map(|(network, _)| network).collect())
}

/// Has podman give back what the container `id`, which has never run, leased in `networks`, if it has not noted that.
///
/// What podman gives back when a container leaves a network are all the leases of its ID, whatever they are. But only
/// of one with a network namespace, and podman leases addresses again when it makes that: so the container gets one
/// without networks, and is noted in them afterwards.
///
/// # Errors
/// [`EngineError::Killed`]: it can be tried again. What podman refuses is left at that: podman itself would not even
/// try.
pub(crate) fn give_back(engine: &dyn Engine, id: &str, networks: &[String]) -> Result<(), EngineError> {
    let is_noted = answer(engine.inspect(id))?.is_none_or(|facts| facts.has_address());
    if networks.is_empty() || is_noted {
        return Ok(());
    }
    for network in networks {
        answer(engine.leave_network(id, network))?;
    }
    answer(engine.initialize(id))?;
    for network in networks {
        answer(engine.note_network(id, network))?;
        answer(engine.leave_network(id, network))?;
    }
    Ok(())
}

/// What podman came to; `None` if it refused.
fn answer<T>(outcome: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match outcome {
        Err(killed @ EngineError::Killed { .. }) => Err(killed),
        answered => Ok(answered.ok()),
    }
}
