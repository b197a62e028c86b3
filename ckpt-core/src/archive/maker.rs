//! Which engine made an archive. All write podman's members; what differs says who it was.
//!
//! | engine | told by annotations of `spec.dump` | other members than podman's |
//! |---|---|---|
//! | podman | `io.container.manager` is `libpod` | |
//! | CRI-O, `internal/lib/checkpoint.go` | `io.container.manager` is `cri-o` | `bind.mounts`, `dump.log`, `io.kubernetes.cri-o.LogPath` (the log) |
//! | containerd 2, `internal/cri/server/container_checkpoint_linux.go` | `io.kubernetes.cri.*` | `status`, `status.dump`, `dump.log`, `container.log`; `rootfs-diff.tar` is an OCI layer: gzip, deletions as `.wh.` files |
//!
//! An archive that says nothing is podman's.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;
use super::names::SPEC_DUMP;
use super::opened::CheckpointArchive;

/// An engine that makes archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Maker {
    /// podman, or this program.
    #[default]
    #[serde(rename = "podman")]
    Podman,
    /// CRI-O.
    #[serde(rename = "CRI-O")]
    CriO,
    /// containerd, by its interface for Kubernetes.
    #[serde(rename = "containerd")]
    Containerd,
}

impl fmt::Display for Maker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Maker::Podman => "podman",
            Maker::CriO => "CRI-O",
            Maker::Containerd => "containerd",
        })
    }
}

/// Who made an archive, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) maker: Maker,
    /// The container's name within its pod; none of podman's.
    pub(crate) container: Option<String>,
    /// The pod of Kubernetes that it was in.
    pub(crate) pod: Option<KubernetesPod>,
}

/// A pod of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KubernetesPod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// CRI-O's annotation for what the kubelet calls a container.
#[derive(Deserialize)]
struct Metadata {
    name: String,
}

impl Origin {
    /// That of `archive`.
    ///
    /// # Errors
    /// [`ArchiveError`] where `spec.dump` is not there, too large, or no JSON.
    pub(crate) fn of(archive: &CheckpointArchive) -> Result<Self, ArchiveError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Spec {
            annotations: Option<BTreeMap<String, String>>,
        }
        let Spec { annotations } = archive.dump(SPEC_DUMP)?;
        Ok(Origin::told(&annotations.unwrap_or_default()))
    }

    fn told(annotations: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| annotations.get(name).cloned();
        let pod = |name: &str, namespace: &str| Some(KubernetesPod { name: text(name)?, namespace: text(namespace)? });
        match annotations.get("io.container.manager").map(String::as_str) {
            Some("libpod") => Origin::default(),
            Some("cri-o") => Origin {
                maker: Maker::CriO,
                container: text("io.kubernetes.cri-o.Metadata")
                    .and_then(|json| serde_json::from_str(&json).ok())
                    .map(|metadata: Metadata| metadata.name),
                pod: pod("io.kubernetes.pod.name", "io.kubernetes.pod.namespace"),
            },
            _ if annotations.keys().any(|name| name.starts_with("io.kubernetes.cri.")) => Origin {
                maker: Maker::Containerd,
                container: text("io.kubernetes.cri.container-name"),
                pod: pod("io.kubernetes.cri.sandbox-name", "io.kubernetes.cri.sandbox-namespace"),
            },
            _ => Origin::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(annotations: &[(&str, &str)]) -> Origin {
        Origin::told(&annotations.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn each_engine_is_known_by_its_annotations() {
        let pod = Some(KubernetesPod { name: "web-0".into(), namespace: "shop".into() });
        let crio = told(&[
            ("io.container.manager", "cri-o"),
            ("io.kubernetes.cri-o.Metadata", r#"{"name":"web","attempt":1}"#),
            ("io.kubernetes.pod.name", "web-0"),
            ("io.kubernetes.pod.namespace", "shop"),
        ]);
        assert_eq!(crio, Origin { maker: Maker::CriO, container: Some("web".into()), pod: pod.clone() });
        let containerd = told(&[
            ("io.kubernetes.cri.container-name", "web"),
            ("io.kubernetes.cri.sandbox-name", "web-0"),
            ("io.kubernetes.cri.sandbox-namespace", "shop"),
        ]);
        assert_eq!(containerd, Origin { maker: Maker::Containerd, container: Some("web".into()), pod });
    }

    #[test]
    fn whatever_else_there_is_is_podmans() {
        // `podman kube play` sets annotations of Kubernetes as well.
        for annotations in
            [&[][..], &[("io.container.manager", "libpod"), ("io.kubernetes.cri.sandbox-id", "a")], &[("a", "b")]]
        {
            assert_eq!(told(annotations), Origin::default());
        }
        let odd = told(&[("io.container.manager", "cri-o"), ("io.kubernetes.cri-o.Metadata", "[")]);
        assert_eq!(odd, Origin { maker: Maker::CriO, ..Origin::default() });
    }
}
