//! Addresses that podman leased for a container, and did not come to note.
//!
//! podman leases the addresses of a restored container before it notes that the container has a network, and gives back
//! only what it noted. Killed between the two, it leaves leases without an owner, and no restore of the container gets
//! its address again before the next boot.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::archive::{ArchiveError, CheckpointArchive, NETWORK_STATUS};
use crate::engine::Engine;
use crate::podman::PodmanError;

/// What a container had of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) network: String,
    pub(crate) addresses: Vec<IpAddr>,
}

/// containers/common, `libnetwork/types.StatusBlock`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    interfaces: Option<BTreeMap<String, Interface>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Interface {
    subnets: Option<Vec<Subnet>>,
}

#[derive(Deserialize)]
struct Subnet {
    /// `10.88.0.2/16`
    ipnet: String,
}

/// What a container of this archive leases if it comes back with its own addresses.
pub(crate) fn of(archive: &CheckpointArchive) -> Result<Vec<Lease>, ArchiveError> {
    Ok(archive.json(NETWORK_STATUS)?.map(leases_in).unwrap_or_default())
}

/// Without networks, podman writes `null`.
fn leases_in(networks: Option<BTreeMap<String, Status>>) -> Vec<Lease> {
    let networks = networks.into_iter().flatten();
    networks.map(|(network, status)| Lease { network, addresses: status.addresses() }).collect()
}

impl Status {
    fn addresses(self) -> Vec<IpAddr> {
        let subnets = self.interfaces.into_iter().flatten().filter_map(|(_, interface)| interface.subnets).flatten();
        subnets.filter_map(|subnet| subnet.ipnet.split('/').next()?.parse().ok()).collect()
    }
}

/// Has podman give back the `leases` of the container `id`, which has never run, if it has not noted them.
///
/// What podman gives back when a container leaves a network are all the leases of its ID. But only of one with a network
/// namespace, and podman leases the addresses again when it makes that: so the container gets one without networks.
/// Joining is refused then, since the address is leased, but noted.
///
/// # Errors
/// [`PodmanError::Killed`]: it can be tried again. What podman refuses is left at that: podman itself would not even try.
pub(crate) fn give_back(engine: &dyn Engine, id: &str, leases: &[Lease]) -> Result<(), PodmanError> {
    let is_noted = answer(engine.inspect(id))?.is_none_or(|facts| facts.has_address());
    if leases.is_empty() || is_noted {
        return Ok(());
    }
    for lease in leases {
        answer(engine.leave_network(id, &lease.network))?;
    }
    answer(engine.initialize(id))?;
    for lease in leases {
        answer(engine.join_network(id, lease))?;
        answer(engine.leave_network(id, &lease.network))?;
    }
    Ok(())
}

/// What podman came to; `None` if it refused.
fn answer<T>(outcome: Result<T, PodmanError>) -> Result<Option<T>, PodmanError> {
    match outcome {
        Err(killed @ PodmanError::Killed { .. }) => Err(killed),
        answered => Ok(answered.ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podmans_status_tells_the_addresses() {
        let status = r#"{"podman":{"interfaces":{"eth0":{"subnets":[{"ipnet":"10.88.0.2/16","gateway":"10.88.0.1"},
            {"ipnet":"fd00::2/64"}],"mac_address":"06:c9:3e:67:a4:18"},"eth1":{"subnets":null}}},"none":{}}"#;
        let leases = leases_in(serde_json::from_str(status).unwrap());
        let lease = |network: &str, addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            Lease { network: network.to_owned(), addresses }
        };
        assert_eq!(leases, [lease("none", &[]), lease("podman", &["10.88.0.2", "fd00::2"])]);
    }

    #[test]
    fn a_container_without_networks_has_none() {
        for status in ["null", "{}"] {
            assert_eq!(leases_in(serde_json::from_str(status).unwrap()), [], "{status}");
        }
    }
}
