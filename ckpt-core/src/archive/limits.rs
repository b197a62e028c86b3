//! How large the parts of an archive may be. Each limit bounds the memory of a restore, since whoever made the archive
//! may be hostile. A checkpoint applies the same limits to what it makes, while the container can still run on.

use super::json::too_many_values;

/// Members read into memory, bytes; podman's are some 25 KiB, a list of a million deletions some 60 MiB.
pub(super) const MEMORY: u64 = 64 << 20;

/// podman's `config.dump` and `spec.dump`, bytes: they have some 25 KiB; a list of numbers takes 16 times its length in
/// memory.
pub(super) const DUMP: u64 = 4 << 20;

/// Members outside of the nested archives. CRIU makes some ten images for each process, and the largest hosts run some
/// ten thousand processes.
pub(super) const MEMBERS: usize = 1 << 18;

/// All their paths together, bytes; those of CRIU's images have some 20 each. With them the members take 128 MiB at
/// most.
pub(super) const MEMBER_PATHS: usize = 16 << 20;

/// What comes from podman beside the images: a dozen members. They are known only when the container has ended.
const OF_PODMAN: usize = 1 << 10;

/// CRIU's image of the cgroups, bytes: it names each cgroup with its properties, some KiB.
const CGROUP_IMAGE: u64 = 16 << 20;

/// Paths below /dev/shm that are kept in memory, bytes; a file there has 30 or so, and takes a page of memory itself.
const SHM_PATHS: usize = 64 << 20;

/// What one more path takes beside its bytes.
const PATH: usize = 64;

/// Directories of one tree that wait for their attributes, bytes: about four million of them.
pub(crate) const DIRECTORIES: usize = 1 << 30;

/// More than a restore accepts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a restore would refuse {what}: it has {size} {unit}, and at most {limit} are accepted")]
pub struct Oversize {
    what: String,
    size: u64,
    unit: &'static str,
    limit: u64,
}

fn at_most(limit: u64, size: u64, unit: &'static str, what: &str) -> Result<(), Oversize> {
    if size > limit { Err(Oversize { what: what.to_owned(), size, unit, limit }) } else { Ok(()) }
}

/// Passes the `member` of `size` bytes, which is to be read into memory.
pub(crate) fn memory(member: &str, size: u64) -> Result<(), Oversize> {
    at_most(MEMORY, size, "bytes", member)
}

/// Passes the JSON `member`, whose text is `bytes`.
pub(crate) fn json(member: &str, bytes: &[u8]) -> Result<(), Oversize> {
    memory(member, bytes.len() as u64)?;
    match too_many_values(bytes) {
        None => Ok(()),
        Some((values, limit)) => at_most(limit, values, "values", member),
    }
}

/// Passes `config.dump` or `spec.dump` of `size` bytes.
pub(crate) fn dump(member: &str, size: u64) -> Result<(), Oversize> {
    at_most(DUMP, size, "bytes", member)
}

/// Passes `count` members outside of the nested archives, whose paths have so many bytes.
pub(super) fn members(count: usize, path_bytes: usize) -> Result<(), Oversize> {
    at_most(MEMBERS as u64, count as u64, "members", "the archive")?;
    at_most(MEMBER_PATHS as u64, path_bytes as u64, "bytes", "the names of its members")
}

/// Passes `count` images of CRIU, whose paths have so many bytes, with what podman adds.
pub(crate) fn images(count: usize, path_bytes: usize) -> Result<(), Oversize> {
    members(count + OF_PODMAN, path_bytes + OF_PODMAN * PATH)
}

/// Passes CRIU's image of the cgroups of `size` bytes.
pub(crate) fn cgroup_image(size: u64) -> Result<(), Oversize> {
    at_most(CGROUP_IMAGE, size, "bytes", "CRIU's image of the cgroups")
}

/// What the `path` of a member of /dev/shm takes in memory, bytes.
pub(crate) fn shm_path(path: &[u8]) -> usize {
    path.len() + PATH
}

/// Passes paths of /dev/shm that take so many bytes together.
pub(crate) fn shm_paths(bytes: usize) -> Result<(), Oversize> {
    at_most(SHM_PATHS as u64, bytes as u64, "bytes", "the names in /dev/shm")
}

/// Passes the tree `what`, whose directories take so many bytes. The names of some attributes are longer where they are
/// stored in an upperdir: hence a part in 16 less than is taken.
pub(crate) fn directories(what: &str, bytes: usize) -> Result<(), Oversize> {
    at_most((DIRECTORIES - DIRECTORIES / 16) as u64, bytes as u64, "bytes for the directories", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_makes_what_a_restore_reads() {
        let last = MEMBERS - OF_PODMAN;
        assert!(images(last, 0).is_ok() && images(last + 1, 0).is_err());
        assert!(images(1, MEMBER_PATHS).is_err());
        assert!(memory("x", MEMORY).is_ok() && memory("x", MEMORY + 1).is_err());
        assert!(dump("x", DUMP).is_ok() && dump("x", DUMP + 1).is_err());
        assert!(shm_paths(SHM_PATHS).is_ok() && shm_paths(SHM_PATHS + 1).is_err());
        assert!(directories("x", DIRECTORIES).is_err());
        assert_eq!(
            cgroup_image(CGROUP_IMAGE + 1).unwrap_err().to_string(),
            "a restore would refuse CRIU's image of the cgroups: it has 16777217 bytes, and at most 16777216 are accepted"
        );
    }

    #[test]
    fn values_of_json_are_counted() {
        let list = |count| serde_json::to_vec(&vec![""; count]).unwrap();
        assert!(json("x", &list(1 << 20)).is_ok());
        assert!(json("x", &list((1 << 20) + 1)).unwrap_err().to_string().contains("1048577 values"));
    }
}
