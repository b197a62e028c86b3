//! What an image of a checkpoint says of it: each of podman, CRI-O, containerd and checkpointctl looks for names of its own.
//!
//! | who | names |
//! |---|---|
//! | podman, `libpod/define/annotations.go` | `io.podman.annotations.checkpoint.*` |
//! | CRI-O, and the kubelet through it | `io.kubernetes.cri-o.annotations.checkpoint.name` |
//! | containerd 2 and checkpointctl | `org.criu.checkpoint.*` |
//!
//! podman's names are only on images of podman's archives: podman could not restore another.
//!
//! The facts are those of the checkpoint's host and time, out of the archive: whoever makes the image may be elsewhere.
//! What an archive does not say has no name in the image.

use std::collections::BTreeMap;
use std::path::Path;

use super::container_config::ContainerConfig;
use super::error::ArchiveError;
use super::maker::{Maker, Origin};
use super::manifest::{HostVersions, Manifest};
use super::names::MANIFEST;
use super::opened::CheckpointArchive;

/// Where podman's names begin.
const PODMAN: &str = "io.podman.annotations.checkpoint.";
/// Where those of containerd and checkpointctl begin.
const CRIU: &str = "org.criu.checkpoint.";
/// CRI-O's only name.
const CRIO: &str = "io.kubernetes.cri-o.annotations.checkpoint.name";
/// The alignment of the data in the archive, bytes, for those who want to clone from it.
pub(crate) const BLOCK_SIZE: &str = "ckpt.archive.block-size";

/// Names that say that an image is a checkpoint: of podman, CRI-O, containerd.
pub(crate) const OF_CHECKPOINTS: [&str; 3] =
    ["io.podman.annotations.checkpoint.name", CRIO, "org.criu.checkpoint.container.name"];

/// Those of the container in `archive`.
///
/// # Errors
/// [`ArchiveError`], if the archive cannot say what it holds.
pub(crate) fn of(archive: &CheckpointArchive) -> Result<BTreeMap<String, String>, ArchiveError> {
    let (config, origin) = (archive.config()?, Origin::of(archive)?);
    Ok(match origin.maker {
        Maker::Podman => of_podman(&config, archive.json(MANIFEST)?.unwrap_or_default()),
        _ => of_pod(&config, &origin),
    })
}

/// As checkpointctl has them: `internal/oci_image_build.go`.
fn of_pod(config: &ContainerConfig, origin: &Origin) -> BTreeMap<String, String> {
    let mut annotations = Annotations(BTreeMap::new());
    let container = origin.container.as_ref().unwrap_or(&config.name);
    annotations.set(CRIO, container);
    let (pod, namespace) = origin.pod.as_ref().map(|pod| (&pod.name[..], &pod.namespace[..])).unwrap_or_default();
    for (name, value) in [
        ("container.name", container),
        ("engine.name", &origin.maker.to_string()),
        ("rootfsImageID", &config.image_ref),
        ("rootfsImageName", &config.image_name),
        ("rootfsImageUserRequested", &config.image_requested),
        ("runtime.name", &config.runtime),
    ] {
        annotations.set(&format!("{CRIU}{name}"), value);
    }
    annotations.set(&format!("{CRIU}pod.name"), pod);
    annotations.set(&format!("{CRIU}pod.namespace"), namespace);
    annotations.0
}

fn of_podman(config: &ContainerConfig, manifest: Manifest) -> BTreeMap<String, String> {
    let mut annotations = Annotations(BTreeMap::new());
    let versions = manifest.versions;
    let host = versions.host.unwrap_or_else(|| HostVersions {
        // Without it, podman takes no image for a checkpoint.
        runtime: [base_name(&config.runtime), versions.runtime.clone()],
        ..HostVersions::default()
    });
    let [runtime, runtime_version] = &host.runtime;
    let [distribution, distribution_version] = &host.distribution;
    annotations.set(CRIO, &config.name);
    annotations.set(&format!("{CRIU}container.name"), &config.name);
    annotations.set(&format!("{CRIU}engine.name"), "podman");
    annotations.set(&format!("{CRIU}engine.version"), &versions.podman);
    annotations.set(&format!("{PODMAN}name"), &config.name);
    annotations.set(&format!("{PODMAN}podman.version"), &versions.podman);
    annotations.set(BLOCK_SIZE, &manifest_block_size(manifest.block_size));
    for (name, value) in [
        ("rawImageName", &config.raw_image_name),
        ("rootfsImageID", &config.image_id),
        ("rootfsImageName", &config.image_name),
        ("criu.version", &criu_number(&versions.criu)),
        ("runtime.name", runtime),
        ("runtime.version", runtime_version),
        ("conmon.version", &host.conmon),
        ("host.arch", &host.arch),
        ("host.kernel", &versions.kernel),
        ("cgroups.version", &host.cgroups),
        ("distribution.name", distribution),
        ("distribution.version", distribution_version),
    ] {
        annotations.set(&format!("{PODMAN}{name}"), value);
        annotations.set(&format!("{CRIU}{name}"), value);
    }
    annotations.0
}

struct Annotations(BTreeMap<String, String>);

impl Annotations {
    fn set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn manifest_block_size(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { bytes.to_string() }
}

/// podman names a runtime by the file's name.
fn base_name(runtime: &str) -> String {
    Path::new(runtime).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// CRIU's version as CRIU counts it: `4.1.1` is 40101.
fn criu_number(version: &str) -> String {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    match numbers.as_deref() {
        Some([major, minor]) => (major * 10_000 + minor * 100).to_string(),
        Some([major, minor, sublevel]) => (major * 10_000 + minor * 100 + sublevel).to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::maker::KubernetesPod;
    use crate::archive::manifest::Versions;

    fn config() -> ContainerConfig {
        let json = r#"{"id":"ab","name":"web","rootfsImageID":"cd","rootfsImageName":"quay.io/i:1","runtime":"/usr/bin/crun"}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_archive_of_podman_has_names_for_everybody() {
        let annotations = of_podman(&config(), Manifest::default());
        for name in OF_CHECKPOINTS {
            assert_eq!(annotations[name], "web");
        }
        assert_eq!(annotations["io.podman.annotations.checkpoint.runtime.name"], "crun");
        assert_eq!(annotations["org.criu.checkpoint.rootfsImageName"], "quay.io/i:1");
        assert!(!annotations.contains_key("io.podman.annotations.checkpoint.criu.version"));
        assert!(!annotations.contains_key(BLOCK_SIZE));
    }

    #[test]
    fn the_runtime_is_the_one_that_podman_takes_by_default() {
        let host = HostVersions { runtime: ["runc".into(), "runc 1".into()], ..HostVersions::default() };
        let versions = Versions { criu: "4.1.1".into(), host: Some(host), ..Versions::default() };
        let annotations = of_podman(&config(), Manifest { versions, block_size: 4096, ..Manifest::default() });
        assert_eq!(annotations["io.podman.annotations.checkpoint.runtime.name"], "runc");
        assert_eq!(annotations["io.podman.annotations.checkpoint.criu.version"], "40101");
        assert_eq!(annotations[BLOCK_SIZE], "4096");
    }

    #[test]
    fn an_archive_of_a_pod_has_none_of_podmans_names() {
        let pod = Some(KubernetesPod { name: "web-0".into(), namespace: "shop".into() });
        let origin = Origin { maker: Maker::CriO, container: Some("app".into()), pod };
        let annotations = of_pod(&config(), &origin);
        for (name, value) in [("container.name", "app"), ("engine.name", "CRI-O"), ("pod.namespace", "shop")] {
            assert_eq!(annotations[&format!("{CRIU}{name}")], value);
        }
        assert_eq!(annotations[CRIO], "app");
        assert!(annotations.keys().all(|name| !name.starts_with(PODMAN)), "{annotations:?}");
    }

    #[test]
    fn versions_are_numbers_where_they_can_be() {
        for (version, number) in [("4.1.1", "40101"), ("4.2", "40200"), ("4.x", ""), ("", "")] {
            assert_eq!(criu_number(version), number);
        }
    }
}
