//! What annotations of the specification grant.

use std::collections::BTreeMap;

use crate::container::privileges::Privilege;

/// Annotations that runtimes, podman or systemd act upon, by their beginning.
const ACTED_UPON: [&str; 7] = [
    "run.oci.",
    "org.criu.",
    "org.systemd.property.",
    "io.podman.annotations.",
    "io.katacontainers.",
    "io.containers.",
    "module.wasm.",
];

/// Those of them that containers with nothing special have, or that are shown as another privilege.
const HARMLESS: [&str; 7] = [
    "io.podman.annotations.autoremove",
    "io.podman.annotations.init",
    "io.podman.annotations.privileged",
    "io.podman.annotations.publish-all",
    "io.podman.annotations.seccomp",
    "org.systemd.property.KillSignal",
    "org.systemd.property.TimeoutStopUSec",
];

/// runc reads CRIU's configuration there, which can name a script for CRIU to run (runc, docs/checkpoint).
const CRIU_CONFIG: &str = "org.criu.config";
/// podman removes this file with the container.
const CID_FILE: &str = "io.podman.annotations.cid-file";
/// crun writes what hooks print there (crun(1)).
const HOOK_OUTPUTS: [&str; 2] = ["run.oci.hooks.stdout", "run.oci.hooks.stderr"];

/// What the annotations grant, one privilege each; most grant nothing.
pub(super) fn privileges(annotations: &BTreeMap<String, String>) -> Vec<Privilege> {
    let acted_upon = |name: &str| ACTED_UPON.iter().any(|prefix| name.starts_with(prefix));
    let shown = annotations.iter().filter(|(name, _)| acted_upon(name) && !HARMLESS.contains(&name.as_str()));
    let privilege = |(name, value): (&String, &String)| {
        let (name, value) = (name.clone(), value.clone());
        match name.as_str() {
            CRIU_CONFIG => Privilege::HostProgram { when: format!("CRIU's configuration by {name}"), command: value },
            CID_FILE => Privilege::HostFile { field: name, path: value },
            _ if HOOK_OUTPUTS.contains(&name.as_str()) => Privilege::HostFile { field: name, path: value },
            _ => Privilege::Option { name, value },
        }
    };
    shown.map(privilege).collect()
}
