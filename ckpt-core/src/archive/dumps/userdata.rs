//! A container's own folders, in the graph root and in the run root of whatever store it was in.
//!
//! ```text
//! <root>/<driver>-containers/<ID>/userdata/<file>
//! ```
//!
//! containers/storage names them so (`Store.ContainerDirectory` and `ContainerRunDirectory`, in store.go), podman fills
//! them.

/// conmon's PID file or the container's, by podman's default.
pub(super) fn is_pid_file(path: &str) -> bool {
    matches!(file_in(path), Some("conmon.pid" | "pidfile"))
}

/// podman's memory for /dev/shm.
pub(super) fn is_shm(path: &str) -> bool {
    file_in(path) == Some("shm")
}

/// What podman mounts out of these folders, and makes for each container (`makeBindMounts` in
/// libpod/container_internal_common.go); it makes `notify` for those alone that it starts itself.
pub(super) fn is_made_anew(path: &str) -> bool {
    file_in(path).is_some_and(|file| file != "notify" && !is_passing_file(file))
}

/// Mount points that podman makes when it creates a container, not when it imports one: of images and overlays, and of a
/// part of a volume (libpod/container_internal_common.go, `generateSpec`).
pub(crate) fn is_passing(path: &str) -> bool {
    file_in(path).is_some_and(is_passing_file)
}

fn is_passing_file(file: &str) -> bool {
    file.starts_with("overlay/") || file.starts_with("subpath")
}

/// A secret's copy.
pub(super) fn is_secret(path: &str) -> bool {
    file_in(path).is_some_and(|file| file.starts_with("secrets/"))
}

/// The storage driver of the store that `folder`, a container's `userdata`, is in.
pub(super) fn driver(folder: &str) -> Option<&str> {
    folder
        .strip_suffix("/userdata")
        .filter(|container| is_container(container))?
        .rsplit('/')
        .nth(1)?
        .strip_suffix("-containers")
}

/// The path below `userdata`.
fn file_in(path: &str) -> Option<&str> {
    const USERDATA: &str = "/userdata/";
    let file = |(at, _)| is_container(&path[..at]).then(|| &path[at + USERDATA.len()..]);
    path.match_indices(USERDATA).find_map(file).filter(|_| is_plain(path))
}

fn is_container(folder: &str) -> bool {
    let mut parts = folder.rsplit('/');
    let (id, containers) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id && containers.strip_suffix("-containers").is_some_and(|driver| !driver.is_empty())
}

/// Absolute and without `.`, `..` or empty parts.
pub(super) fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|parts| parts.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_container() {
        let id = "0f".repeat(32);
        for (path, file) in [
            (format!("/run/containers/storage/overlay-containers/{id}/userdata/pidfile"), Some("pidfile")),
            (format!("/userdata/x/vfs-containers/{id}/userdata/run/secrets"), Some("run/secrets")),
            (format!("/x/overlay-containers/{id}/userdata/a/../../b"), None),
            (format!("/x/overlay-containers/{id}/userdata/"), None),
            (format!("x/overlay-containers/{id}/userdata/shm"), None),
            (format!("/x/-containers/{id}/userdata/shm"), None),
            (format!("/x/containers/{id}/userdata/shm"), None),
            ("/x/overlay-containers/id/userdata/shm".to_owned(), None),
            ("/userdata/shm".to_owned(), None),
        ] {
            assert_eq!(file_in(&path), file, "{path}");
        }
    }
}
