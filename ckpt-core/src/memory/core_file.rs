//! All of a process's memory, as a core file for gdb.
//!
//! ```text
//! ELF header, program headers │ notes │ gap │ page … page   hole   page …
//! ```
//!
//! Pages lie on blocks, so that the archive's can be cloned. What was never written to is a hole. Of files the core has only
//! what was changed: gdb reads the rest in the files themselves, which `NT_FILE` names.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use aligntar::{Alignment, ClonePolicy, Span, Transferred, transfer};
use criu_images::{CoreEntry, MACHINE_X86_64, MmEntry, PstreeEntry};
use rustix::param::page_size;

use super::elf::{Load, headers, headers_len};
use super::error::MemoryError;
use super::notes::{ARGUMENTS, Described, Thread, notes};
use super::opened::Memory;
use super::space::{Segment, Source, Space};

/// Longer stretches that were never written to are not in the core file, not even as a hole, in bytes: programs reserve
/// terabytes.
const LONGEST_HOLE: u64 = 1 << 30;
/// Where pages begin: on a block of any file system that clones, in bytes.
const DATA_ALIGNMENT: u64 = 64 << 10;

impl Memory {
    /// Writes a core file of a process into `file`, which is empty.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn write_core(&self, pid: u32, file: &File) -> Result<Transferred, MemoryError> {
        let task = self.tasks.iter().find(|task| task.pid == pid);
        let task = task.ok_or_else(|| MemoryError::NoProcess { pid, there: self.processes() })?;
        let (space, mm) = (self.space(pid)?, self.mm(pid)?);
        let notes = notes(&Described {
            task,
            threads: &self.threads(task)?,
            mm: &mm,
            mappings: &space.mappings,
            arguments: &self.arguments(&space, &mm)?,
        });
        let mut plan = Plan::of(&space);
        plan.place(notes.len() as u64);
        let headers = headers(notes.len() as u64, &plan.loads, page_size() as u64);
        file.write_all_at(&headers, 0).map_err(MemoryError::Write)?;
        file.write_all_at(&notes, headers.len() as u64).map_err(MemoryError::Write)?;
        file.set_len(plan.end).map_err(MemoryError::Write)?;
        plan.copy(file)
    }

    fn threads(&self, task: &PstreeEntry) -> Result<Vec<Thread>, MemoryError> {
        let ids = if task.threads.is_empty() { std::slice::from_ref(&task.pid) } else { &task.threads[..] };
        let thread = |&id: &u32| {
            let core: CoreEntry = self.message(&format!("core-{id}.img"))?;
            match &core.x86 {
                Some(registers) if core.machine == MACHINE_X86_64 && registers.gpregs.is_some() => {
                    Ok(Thread { id, registers: registers.clone(), core })
                }
                _ => Err(MemoryError::Processor),
            }
        };
        ids.iter().map(thread).collect()
    }

    /// As much of the command line as a core file has.
    fn arguments(&self, space: &Space, mm: &MmEntry) -> Result<Vec<u8>, MemoryError> {
        let end = mm.arg_end.min(mm.arg_start.saturating_add(ARGUMENTS as u64));
        if end <= mm.arg_start { Ok(Vec::new()) } else { self.known_bytes(space, mm.arg_start..end) }
    }
}

/// What goes where.
#[derive(Default)]
struct Plan {
    loads: Vec<Load>,
    /// Pages, and the place of the first in the core file, counted from that of the load first.
    pages: Vec<(Segment, usize)>,
    /// Length of the core file.
    end: u64,
}

impl Plan {
    /// The loads of a process, without their places.
    fn of(space: &Space) -> Self {
        let mut plan = Plan::default();
        let mut last = None;
        for segment in &space.segments {
            let is_known = is_known(segment);
            let flags = flags(&space.mappings[segment.mapping].permissions);
            let mapping = (segment.mapping, is_known);
            let Range { start, end } = segment.addresses;
            match plan.loads.last_mut().filter(|_| last == Some(mapping)) {
                Some(load) => load.memory_bytes = end - load.address,
                None => plan.loads.push(Load { flags, address: start, memory_bytes: end - start, ..Load::default() }),
            }
            if is_known && let Some(load) = plan.loads.last_mut() {
                load.file_bytes = load.memory_bytes;
                if let Source::Pages { .. } = segment.source {
                    plan.pages.push((segment.clone(), plan.loads.len() - 1));
                }
            }
            last = Some(mapping);
        }
        plan
    }

    /// Gives the loads places behind notes of this length.
    fn place(&mut self, notes_len: u64) {
        let mut at = (headers_len(self.loads.len()) + notes_len).next_multiple_of(DATA_ALIGNMENT);
        for load in &mut self.loads {
            load.offset = at;
            at += load.file_bytes;
        }
        self.end = at;
    }

    /// Clones the pages, or copies them.
    fn copy(&self, file: &File) -> Result<Transferred, MemoryError> {
        let block = Alignment::of(file)?;
        let mut moved = Transferred::default();
        for (segment, load) in &self.pages {
            let Source::Pages { runs, offset } = &segment.source else { continue };
            let Some(pages) = &runs.pages else { continue };
            let load = &self.loads[*load];
            let (source_offset, length) = pages.piece().place_of(*offset, segment.len());
            let target_offset = load.offset + (segment.addresses.start - load.address);
            let span = Span { source_offset, target_offset, length };
            let policy = ClonePolicy::IfPossible;
            moved += transfer(pages.file(), file, span, block, policy).map_err(MemoryError::Transfer)?;
        }
        Ok(moved)
    }
}

/// Whether a segment is in the core file: as pages, or as a hole between them.
fn is_known(segment: &Segment) -> bool {
    match segment.source {
        Source::Pages { .. } => true,
        Source::Zeros => segment.len() <= LONGEST_HOLE,
        Source::File | Source::Earlier | Source::Kernel => false,
    }
}

/// `PF_…`.
fn flags(permissions: &str) -> u32 {
    let flag = |letter, flag| if permissions.contains(letter) { flag } else { 0 };
    flag('r', 4) | flag('w', 2) | flag('x', 1)
}
