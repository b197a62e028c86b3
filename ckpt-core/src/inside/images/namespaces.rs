//! Namespaces out of the images.

use criu_images::{CoreEntry, Images, PstreeEntry, TaskKobjIdsEntry, UtsnsEntry};

use super::budget::Budget;
use super::optional::present;
use crate::inside::error::InsideError;
use crate::inside::namespace::{Census, KINDS, Namespace};

pub(super) fn read(images: &Images, tasks: &[PstreeEntry], budget: &mut Budget) -> Result<Vec<Namespace>, InsideError> {
    let mut census = Census::default();
    for task in tasks {
        budget.spend(size_of::<[u32; 8]>())?;
        let Some(ids) = ids(images, task.pid)? else { continue };
        for (kind, id) in KINDS.into_iter().zip(numbers(&ids)) {
            if let Some(id) = id.filter(|id| *id != 0) {
                census.add(kind, id.into(), task.pid);
            }
        }
    }
    let host_name = |id| {
        let names: Option<UtsnsEntry> = images.message(&format!("utsns-{id}.img")).ok();
        names.map(|names| names.nodename.into())
    };
    Ok(census.into_namespaces(host_name))
}

fn ids(images: &Images, pid: u32) -> Result<Option<TaskKobjIdsEntry>, InsideError> {
    match images.message(&format!("ids-{pid}.img")) {
        Ok(ids) => Ok(Some(ids)),
        Err(error) => {
            present(error)?;
            Ok(images.message::<CoreEntry>(&format!("core-{pid}.img"))?.ids)
        }
    }
}

/// In the order of [`KINDS`].
fn numbers(ids: &TaskKobjIdsEntry) -> [Option<u32>; 8] {
    [
        ids.cgroup_ns_id,
        ids.ipc_ns_id,
        ids.mnt_ns_id,
        ids.net_ns_id,
        ids.pid_ns_id,
        ids.time_ns_id,
        ids.user_ns_id,
        ids.uts_ns_id,
    ]
}
