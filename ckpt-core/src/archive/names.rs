//! The names of an archive's members, which are podman's but for our manifest.

/// podman's description of the container.
pub const CONFIG_DUMP: &str = "config.dump";
/// The OCI runtime configuration.
pub const SPEC_DUMP: &str = "spec.dump";
/// The directory of CRIU's images.
pub const CHECKPOINT: &str = "checkpoint";
/// CRIU's own table of contents, without which it restores nothing.
pub const INVENTORY: &str = "checkpoint/inventory.img";
/// CRIU's image of the cgroups that the tasks were in, below the directory of its images.
pub(crate) const CGROUP_IMAGE: &str = "cgroup.img";
/// How much of a container's ID is its host name, unless another one was chosen: podman, `(*Container).Hostname`.
pub(crate) const SHORT_ID: usize = 12;
/// CRIU's link to the images of a pre-checkpoint, which this checkpoint builds on.
pub const PARENT: &str = "checkpoint/parent";
/// The files that differ from the image (nested archive).
pub const ROOTFS_DIFF: &str = "rootfs-diff.tar";
/// JSON array of absolute paths that the image has and the container has not.
pub const DELETED_FILES: &str = "deleted.files";
/// /dev/shm (nested archive).
pub const DEVSHM: &str = "devshm-checkpoint.tar";
/// What the container printed, with the log drivers k8s-file and json-file.
pub const LOG: &str = "ctr.log";
/// The addresses that the container had, if podman manages its networks.
pub const NETWORK_STATUS: &str = "network.status";
/// CRIU's statistics of the dump.
pub const STATS_DUMP: &str = "stats-dump";
/// Folder of what podman notes of a container: the command that made it.
pub const ARTIFACTS: &str = "artifacts";
/// Folder of the named volumes (nested archives `NAME.tar`).
pub const VOLUMES: &str = "volumes/";
/// Our manifest.
pub const MANIFEST: &str = "ckpt.json";
