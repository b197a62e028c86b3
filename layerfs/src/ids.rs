//! Owners on the disk and owners as a container with a user namespace sees them.
//!
//! | containers/storage | upperdir | image layers on disk |
//! |---|---|---|
//! | no user namespace | as seen | as seen |
//! | idmapped mounts (Linux 5.19) | shifted | as seen; the mount over them shifts |
//! | chowned copies of the image's top layer | shifted | shifted, by the map in the layer's record |

mod xattr;

use serde::Deserialize;

/// What a container sees for an ID in none of its ranges (`overflowuid`, proc_sys_kernel(5)).
const OVERFLOW_ID: u32 = 65534;

/// A range of IDs, as in user_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct IdRange {
    /// First ID in the container.
    pub container_id: u32,
    /// First ID on the host, and on the disk.
    pub host_id: u32,
    /// How many.
    pub size: u32,
}

/// How a user namespace shifts IDs. Without ranges, the default, it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdMap {
    /// Of users.
    pub uids: Vec<IdRange>,
    /// Of groups.
    pub gids: Vec<IdRange>,
}

impl IdMap {
    /// Whether IDs are the same on both sides.
    pub fn is_identity(&self) -> bool {
        let is_identity = |ranges: &[IdRange]| ranges.iter().all(|range| range.container_id == range.host_id);
        is_identity(&self.uids) && is_identity(&self.gids)
    }

    /// The user and group that a container sees for those on the disk; 65534 where it has none.
    pub fn owner_in_container(&self, (uid, gid): (u32, u32)) -> (u32, u32) {
        (to_container(&self.uids, uid), to_container(&self.gids, gid))
    }

    /// The user and group on the disk that a container sees as these; `None` if it has no such IDs.
    pub fn owner_on_disk(&self, (uid, gid): (u32, u32)) -> Option<(u32, u32)> {
        Some((to_host(&self.uids, uid)?, to_host(&self.gids, gid)?))
    }
}

fn to_container(ranges: &[IdRange], id: u32) -> u32 {
    if ranges.is_empty() {
        return id;
    }
    let shifted = |range: &IdRange| shift(id, range.host_id, range.container_id, range.size);
    ranges.iter().find_map(shifted).unwrap_or(OVERFLOW_ID)
}

fn to_host(ranges: &[IdRange], id: u32) -> Option<u32> {
    if ranges.is_empty() {
        return Some(id);
    }
    ranges.iter().find_map(|range| shift(id, range.container_id, range.host_id, range.size))
}

fn shift(id: u32, from: u32, to: u32, size: u32) -> Option<u32> {
    let offset = id.checked_sub(from).filter(|offset| *offset < size)?;
    to.checked_add(offset)
}

/// Reads `/proc/PID/uid_map`: lines of container ID, host ID and size. `None` for anything else. Nothing for the
/// initial namespace, which shifts nothing.
pub(crate) fn parse_proc_map(text: &str) -> Option<Vec<IdRange>> {
    let range = |line: &str| {
        let mut numbers = line.split_ascii_whitespace().map(|number| number.parse().ok());
        let range = IdRange { container_id: numbers.next()??, host_id: numbers.next()??, size: numbers.next()?? };
        numbers.next().is_none().then_some(range)
    };
    let ranges: Vec<_> = text.lines().map(range).collect::<Option<_>>()?;
    let is_initial = ranges == [IdRange { container_id: 0, host_id: 0, size: u32::MAX }];
    Some(if is_initial { Vec::new() } else { ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn shifted(host_id: u32) -> IdMap {
        let range = IdRange { container_id: 0, host_id, size: 65536 };
        IdMap { uids: vec![range], gids: vec![range] }
    }

    #[test]
    fn ids_go_there_and_back() {
        let one = IdRange { container_id: 0, host_id: 1000, size: 1 };
        let map = IdMap { uids: vec![one, IdRange { container_id: 1, host_id: 100_000, size: 10 }], gids: vec![] };
        for (inside, outside) in [((0, 7), (1000, 7)), ((1, 0), (100_000, 0)), ((10, 5), (100_009, 5))] {
            assert_eq!(map.owner_on_disk(inside), Some(outside));
            assert_eq!(map.owner_in_container(outside), inside);
        }
        assert_eq!(map.owner_on_disk((11, 0)), None);
        assert_eq!(map.owner_in_container((0, 0)), (OVERFLOW_ID, 0));
        assert!(IdMap::default().is_identity() && !map.is_identity() && shifted(0).is_identity());
        assert_eq!(IdMap::default().owner_on_disk((u32::MAX, 3)), Some((u32::MAX, 3)));
        assert_eq!(shifted(u32::MAX - 1).owner_on_disk((5, 0)), None);
    }

    #[test]
    fn the_kernels_maps_are_read() {
        let text = "         0     100000      65536\n     65536     200000          1\n";
        let last = IdRange { container_id: 65536, host_id: 200_000, size: 1 };
        assert_eq!(parse_proc_map(text), Some(vec![shifted(100_000).uids[0], last]));
        assert_eq!(parse_proc_map(""), Some(Vec::new()));
        assert_eq!(parse_proc_map("         0          0 4294967295\n"), Some(Vec::new()));
        for bad in ["0 0", "0 0 1 2", "a b c", "0 0 -1"] {
            assert_eq!(parse_proc_map(bad), None, "{bad}");
        }
    }
}
