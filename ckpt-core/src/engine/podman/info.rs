//! What `podman info` tells.

use serde::Deserialize;

use crate::engine::facts::StoreFacts;

#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) host: HostFacts,
    pub(super) store: StoreFacts,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HostFacts {
    pub(super) service_is_remote: bool,
}
