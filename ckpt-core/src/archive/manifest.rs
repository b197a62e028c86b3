//! `ckpt.json`, the member that says where an archive comes from.

use aligntar::Transferred;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::supplement::ManifestRootfs;

/// Version of the archive's layout that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest of an archive that this program wrote. podman ignores it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// This program and its version.
    pub tool: String,
    /// When the container was frozen, RFC 3339 in UTC.
    pub created: String,
    /// Alignment of member data in bytes.
    pub block_size: u64,
    /// The container as it was.
    pub container: ManifestContainer,
    /// The image below it.
    pub image: ManifestImage,
    /// Programs that took part.
    pub versions: Versions,
    /// Members, those of nested archives included, without podman's own.
    pub members: u64,
    /// Bytes of data cloned into the archive.
    pub cloned_bytes: u64,
    /// Bytes of data copied into the archive.
    pub copied_bytes: u64,
    /// Bytes of holes.
    pub hole_bytes: u64,
    /// What `rootfs-diff.tar` and `deleted.files` cannot say.
    pub rootfs: ManifestRootfs,
    /// Sockets in volumes, which were left out: `volume:path`.
    pub sockets: Vec<String>,
    /// Names of volumes that had a driver or options of their own, which the archive does not have.
    pub special_volumes: Vec<String>,
    /// The options that the checkpoint was given.
    pub flags: Vec<String>,
    /// How long the container stood still, as seen from outside; microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_us: Option<u64>,
    /// Whether the container did not run: the archive has its files and no memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub without_memory: bool,
    /// What it is in a history; none for a checkpoint that is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub save: Option<ManifestSave>,
}

/// What an archive is in the history of its container. It goes with the archive, wherever that lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestSave {
    /// 16 hexadecimal digits, by lot.
    pub id: String,
    /// One more than that of the save before: clocks may go backwards.
    pub sequence: u64,
    /// Short names that people look for.
    pub tags: Vec<String>,
    /// Anything.
    pub note: String,
}

/// Which container it was.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestContainer {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// What it was made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ManifestImage {
    /// 64 hexadecimal digits; empty for `--rootfs`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Names of the layers' directories in the storage, top first.
    pub layers: Vec<String>,
}

/// Versions as the programs print them; empty where they do not say.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Versions {
    /// podman.
    pub podman: String,
    /// The OCI runtime, name and version.
    pub runtime: String,
    /// CRIU.
    pub criu: String,
    /// The kernel's release.
    pub kernel: String,
    /// What podman says of the host beside them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostVersions>,
}

/// What `podman info` says of a host, as a checkpoint image has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HostVersions {
    /// The machine, in Go's word: `amd64`.
    pub arch: String,
    /// `v1` or `v2`.
    pub cgroups: String,
    /// conmon's version.
    pub conmon: String,
    /// The distribution's name, and its version.
    pub distribution: [String; 2],
    /// The OCI runtime that podman takes unless it is told another, and its version: podman restores no image that was
    /// made where that was another one.
    pub runtime: [String; 2],
}

impl Manifest {
    pub(crate) fn count(&mut self, members: u64, moved: Transferred) {
        self.members = members;
        self.cloned_bytes = moved.cloned_bytes;
        self.copied_bytes = moved.copied_bytes;
        self.hole_bytes = moved.hole_bytes;
    }
}
