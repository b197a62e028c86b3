//! Mounts of `spec.dump`: podman's import mounts again what lies where it lay.
//!
//! | mount | podman 5.4.2's import |
//! |---|---|
//! | a folder or file of the host | the same, if it is there |
//! | a named volume | an ordinary one of that name, with the same files |
//! | tmpfs, devpts, glob, secrets | as it was |
//! | an image, an overlay (`:O`), a folder of a volume (`subpath`) | none: the path in the container's own folder is gone |

use std::path::Path;

use serde::Deserialize;

use super::Obstacle;
use crate::archive::ArchiveError;
use crate::archive::dumps::{self, Dumps};
use crate::container::mount::Mount;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    mounts: Vec<Mount>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    named_volumes: Vec<Volume>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Volume {
    dest: String,
}

/// Those that have a source on the host.
#[derive(Debug)]
pub(super) struct Mounts(Vec<Mount>);

impl Mounts {
    /// Without named volumes: podman makes those.
    pub(super) fn of(dumps: &Dumps) -> Result<Self, ArchiveError> {
        let (config, spec): (Config, Spec) = (dumps.config()?, dumps.spec()?);
        let is_volume = |mount: &Mount| config.named_volumes.iter().any(|volume| volume.dest == mount.destination);
        let has_source = |mount: &Mount| matches!(mount.kind.as_str(), "bind" | "overlay");
        let is_needed = |mount: &Mount| has_source(mount) && (is_passing(mount) || !is_volume(mount));
        Ok(Mounts(spec.mounts.into_iter().filter(is_needed).collect()))
    }

    pub(super) fn missing(self, is_here: impl Fn(&Path) -> bool) -> Option<Obstacle> {
        let missing = self.0.into_iter().find(|mount| !is_here(Path::new(&mount.source)))?;
        Some(match is_passing(&missing) {
            true => Obstacle::PassingMount { destination: missing.destination },
            false => Obstacle::NoSource { path: missing.source, destination: missing.destination },
        })
    }
}

fn is_passing(mount: &Mount) -> bool {
    dumps::is_passing(&mount.source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_mount_whose_source_is_gone_is_told_by_its_kind() {
        let own = |file: &str| format!("/run/c/overlay-containers/{}/userdata/{file}", "5e".repeat(32));
        let mount = |kind: &str, source: &str| json!({"destination": "/m", "type": kind, "source": source});
        let passing = Some(Obstacle::PassingMount { destination: "/m".into() });
        let gone = Some(Obstacle::NoSource { path: "/gone".into(), destination: "/m".into() });
        for (mount, expected) in [
            (mount("bind", "/here"), None),
            (mount("bind", "/gone"), gone),
            (mount("tmpfs", "tmpfs"), None),
            (mount("bind", &own("hosts")), None),
            (mount("bind", &own("subpath123")), passing.clone()),
            (mount("overlay", &own("overlay/7/merge")), passing),
            (json!({"destination": "/v", "type": "bind", "source": "/gone"}), None),
        ] {
            let read = |value: &Value| crate::archive::go_json::from_slice(value.to_string().as_bytes()).unwrap();
            let config = json!({"namedVolumes": [{"volumeName": "v", "dest": "/v"}]});
            let dumps = Dumps::for_this_host("x.tar".as_ref(), read(&config), read(&json!({"mounts": [mount]})));
            let found = Mounts::of(&dumps).unwrap().missing(|path| path == Path::new("/here"));
            assert_eq!(found, expected, "{mount}");
        }
    }
}
