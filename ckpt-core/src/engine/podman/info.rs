//! What `podman info` tells.

use serde::Deserialize;

use crate::archive::manifest::HostVersions;
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
    arch: String,
    #[serde(rename = "cgroupVersion")]
    cgroups: String,
    conmon: Named,
    distribution: Named,
    oci_runtime: Named,
}

/// A program or a distribution.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(alias = "distribution")]
    name: String,
    version: String,
}

impl From<HostFacts> for HostVersions {
    fn from(facts: HostFacts) -> Self {
        let named = |Named { name, version }| [name, version];
        HostVersions {
            arch: facts.arch,
            cgroups: facts.cgroups,
            conmon: facts.conmon.version,
            distribution: named(facts.distribution),
            runtime: named(facts.oci_runtime),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_podmans_words() {
        let info: Info = serde_json::from_str(
            r#"{"host":{"arch":"amd64","cgroupVersion":"v2","conmon":{"path":"/usr/bin/conmon","version":"conmon 2"},
                "distribution":{"codename":"trixie","distribution":"debian","version":"13"},
                "ociRuntime":{"name":"crun","version":"crun 1"}},
                "store":{"graphRoot":"/g","runRoot":"/r","graphDriverName":"overlay"}}"#,
        )
        .unwrap();
        let host = HostVersions::from(info.host);
        assert_eq!(host.distribution, ["debian", "13"]);
        assert_eq!(host.runtime, ["crun", "crun 1"]);
        assert_eq!((&host.arch[..], &host.cgroups[..], &host.conmon[..]), ("amd64", "v2", "conmon 2"));
    }
}
