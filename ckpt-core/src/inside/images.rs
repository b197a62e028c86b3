//! What CRIU's images say. They are read in place, and trusted no more than whoever made them.

mod budget;
mod files;
mod memory;
mod mounts;
mod namespaces;
mod optional;
mod process;
mod statistics;

use criu_images::{Images, PstreeEntry};

use super::error::InsideError;
use super::process::Process;
use super::sections::Sections;
use super::{Inside, tree};
use crate::archive::CheckpointArchive;
use budget::Budget;
use files::Files;
use process::Reader;

/// What `sections` ask for, of an `archive` whose images are these.
pub(crate) fn inside(archive: &CheckpointArchive, images: &Images, sections: &Sections) -> Result<Inside, InsideError> {
    let has_memory = archive.has_memory();
    if !has_memory && sections.pid.is_some() {
        return Err(InsideError::NoProcesses);
    }
    let mut budget = Budget::default();
    let tasks = if has_memory && (sections.needs_processes() || sections.namespaces) {
        images.messages::<PstreeEntry>("pstree.img")?.iter().collect::<Result<Vec<_>, _>>()?
    } else {
        Vec::new()
    };
    let processes = match sections.needs_processes() {
        true => Some(processes(images, &tasks, sections, &mut budget)?),
        false => None,
    };
    Ok(Inside {
        processes,
        mounts: match sections.mounts {
            true => Some(mounts::read(archive, images, has_memory, &mut budget)?),
            false => None,
        },
        namespaces: match sections.namespaces {
            true => Some(namespaces::read(images, &tasks, &mut budget)?),
            false => None,
        },
        statistics: match sections.statistics {
            true => Some(statistics::read(archive)?),
            false => None,
        },
    })
}

fn processes(
    images: &Images,
    tasks: &[PstreeEntry],
    sections: &Sections,
    budget: &mut Budget,
) -> Result<Vec<Process>, InsideError> {
    let files = if tasks.is_empty() { Files::default() } else { Files::read(images, budget)? };
    let mut reader = Reader::new(images, &files, sections, budget);
    let wanted = wanted(tasks, sections)?;
    let processes = wanted.into_iter().map(|task| reader.process(task)).collect::<Result<Vec<_>, _>>()?;
    Ok(tree::in_order(processes))
}

/// Those that are asked for: reading the others would be in vain.
fn wanted<'t>(tasks: &'t [PstreeEntry], sections: &Sections) -> Result<Vec<&'t PstreeEntry>, InsideError> {
    let Some(pid) = sections.pid else { return Ok(tasks.iter().collect()) };
    let below = tree::below(pid, tasks.iter().map(|task| (task.pid, task.ppid)));
    if !tasks.iter().any(|task| task.pid == pid) {
        return Err(InsideError::NoProcess { pid });
    }
    Ok(tasks.iter().filter(|task| below.contains(&task.pid)).collect())
}
