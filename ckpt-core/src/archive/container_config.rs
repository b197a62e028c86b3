//! What `config.dump` says of the container, as far as this program reads it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What `config.dump` says, as far as it matters here.
#[derive(Clone, Debug, Deserialize)]
pub struct ContainerConfig {
    /// The container's ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// ID of its image; empty for `--rootfs`.
    #[serde(rename = "rootfsImageID", default)]
    pub image_id: String,
    /// What CRI-O and containerd have instead: the image's ID or digest.
    #[serde(rename = "rootfsImageRef", default)]
    pub image_ref: String,
    /// And the name of it that the pod has.
    #[serde(rename = "rootfsImage", default)]
    pub image_requested: String,
    /// Name of its image.
    #[serde(rename = "rootfsImageName", default)]
    pub image_name: String,
    /// Name of its image as it was given.
    #[serde(rename = "RawImageName", default)]
    pub raw_image_name: String,
    /// Name or path of the OCI runtime.
    #[serde(rename = "runtime", default)]
    pub runtime: String,
    /// Volumes with a name; those of `podman run -v /data` have one as well.
    #[serde(rename = "namedVolumes", default)]
    pub volumes: Option<Vec<NamedVolume>>,
    /// What is at its /dev/shm, on the host.
    #[serde(rename = "ShmDir", default)]
    pub shm_dir: PathBuf,
    /// Ports of it that the host publishes.
    #[serde(rename = "newPortMappings", default)]
    pub ports: Option<Vec<PortMapping>>,
}

/// One of `newPortMappings`.
#[derive(Clone, Debug, Deserialize)]
pub struct PortMapping {
    /// The host's address; empty for all.
    #[serde(default)]
    pub host_ip: String,
    /// The first port in the container.
    pub container_port: u16,
    /// How many there are; 0 is one.
    #[serde(default)]
    pub range: u16,
    /// `tcp`, `udp` or `sctp`; empty for the first.
    #[serde(default)]
    pub protocol: String,
}

/// One of `namedVolumes`.
#[derive(Clone, Debug, Deserialize)]
pub struct NamedVolume {
    /// The volume's name.
    #[serde(rename = "volumeName")]
    pub name: String,
    /// Where the container has it.
    #[serde(default)]
    pub dest: PathBuf,
    /// Whether it goes with its container though it has a name, as `emptyDir` of `podman kube play` does.
    #[serde(rename = "setAnonymous", default)]
    pub is_anonymous: bool,
}

impl ContainerConfig {
    /// Whether podman mounts memory at /dev/shm for this container alone, and not a pod's, another container's or the
    /// host's. The place of it is in podman's storage, wherever that was.
    pub fn has_own_shm(&self) -> bool {
        self.shm_dir.ends_with(Path::new(&self.id).join("userdata/shm"))
    }

    /// Names of the volumes.
    pub fn volume_names(&self) -> impl Iterator<Item = &str> {
        self.volumes.iter().flatten().map(|volume| volume.name.as_str())
    }
}
