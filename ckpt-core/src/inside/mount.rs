//! Mounts: what the container's configuration asks for, and what was mounted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::byte_path::BytePath;
use crate::host::byte_string::ByteString;

/// The mounts of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mounts {
    /// What its OCI configuration asks for.
    pub configured: Vec<ConfiguredMount>,
    /// What its processes saw, in each of its mount namespaces.
    pub mounted: Vec<MountPoint>,
}

/// One of `mounts` in the OCI runtime specification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ConfiguredMount {
    /// In the container.
    pub destination: String,
    /// `bind`, or a file system.
    #[serde(rename = "type")]
    pub kind: String,
    /// On the host, of a `bind`.
    pub source: String,
    /// As mount(8) has them, and further ones of the runtime.
    pub options: Vec<String>,
}

/// `spec.dump`, as far as mounts go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MountsOfSpec {
    pub(crate) mounts: Vec<ConfiguredMount>,
}

/// A mount as a process sees it: proc_pid_mountinfo(5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MountPoint {
    /// The mount namespace, as [`Namespace::id`](super::Namespace::id).
    pub namespace_id: u64,
    /// Its ID.
    pub id: u64,
    /// That of the mount that it lies on.
    pub parent_id: u64,
    /// Where it is in the container.
    pub mount_point: BytePath,
    /// Which part of its file system it shows.
    pub root: BytePath,
    /// The file system's kind; empty where CRIU does not say, as of what it mounts itself.
    pub file_system: String,
    /// The device, or whatever the file system has in its place.
    pub source: ByteString,
    /// Whether nothing can be written there.
    pub read_only: bool,
    /// The file system's options.
    pub options: ByteString,
    /// Whether it comes from outside of the container, as a volume does; none where that cannot be known.
    pub external: Option<bool>,
}
