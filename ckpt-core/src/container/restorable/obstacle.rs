//! The reasons one by one.

use crate::archive::Maker;

/// Why a container cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// podman exports no container that needs another one.
    #[error(
        "podman cannot export checkpoints of containers with dependencies, and it needs {} (--network, --ipc, --pid or --uts \
         container:…, --requires)",
        .on.iter().map(|id| id.get(..12).unwrap_or(id)).collect::<Vec<_>>().join(", ")
    )]
    Dependencies {
        /// IDs of those that it needs.
        on: Vec<String>,
    },
    /// It was made of a container in a pod of Kubernetes.
    #[error(
        "{maker} made it, of a container in a pod, and podman cannot read what {maker} says of that: push it to a registry \
         (`ckpt push`), where a pod on {maker} can take it as its image"
    )]
    OtherEngine {
        /// Who made it.
        maker: Maker,
    },
    /// A container on a directory instead of an image, which podman does not import.
    #[error("it was made from a directory (--rootfs), not from an image: podman cannot restore it from a file")]
    RootDirectory,
    /// A member of a pod comes back in a pod.
    #[error("podman cannot restore pod container without --pod: name the one to restore it into by --pod")]
    Pod,
    /// A mount that podman made in the container's own folder, for this container alone.
    #[error(
        "the mount at {destination} ends with the container, and podman does not restore such a mount from a file: an image \
         (--mount type=image), an overlay (:O) or a folder of a volume (subpath)"
    )]
    PassingMount {
        /// In the container.
        destination: String,
    },
    /// A mount whose source is gone.
    #[error("{path}, which was mounted at {destination}, is not here: CRIU needs it there")]
    NoSource {
        /// On the host.
        path: String,
        /// In the container.
        destination: String,
    },
    /// A secret that is gone.
    #[error("the secret {name} is not here, and podman looks for it: `podman secret create {name} FILE` makes it")]
    NoSecret {
        /// Its name.
        name: String,
    },
    /// An image that is gone.
    #[error("its image {name} is not here any more: it cannot be restored without that")]
    NoImage {
        /// Its name.
        name: String,
    },
}
