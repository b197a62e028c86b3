//! The images of an archive, and which processes they have.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use criu_images::{CoreEntry, ImageError, Images, MmEntry, PstreeEntry, VMA_MEMFD, VmaEntry};

use super::error::MemoryError;
use super::mapping::Mapping;
use super::names::Names;
use super::page_runs::PageRuns;
use super::space::{Backing, Space, is_of_shared_memory};
use crate::archive::{CheckpointArchive, Import};
use crate::criu::images::images_in;

/// The memory of an archive's processes.
pub struct Memory {
    path: PathBuf,
    pub(super) images: Images,
    /// In CRIU's order: parents before children.
    pub(super) tasks: Vec<PstreeEntry>,
    names: Names,
    /// Page maps of shared memory, which many processes may have mapped.
    shared: RefCell<BTreeMap<u64, Rc<PageRuns>>>,
}

impl Memory {
    /// Opens the archive `import`; a compressed one is unpacked into a nameless file in `spool` for that.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn open(import: &Import, spool: &Path) -> Result<Self, MemoryError> {
        let path = import.name();
        let archive = CheckpointArchive::read(CheckpointArchive::open_file(import)?, path, spool, None)?;
        if !archive.has_memory() {
            return Err(MemoryError::NoMemory { path: path.into() });
        }
        let images = images_in(&archive);
        Memory::of(images, path).map_err(|source| MemoryError::Image { path: path.into(), source })
    }

    /// The memory that `images` are of, which messages say to be of `path`.
    pub(super) fn of(images: Images, path: &Path) -> Result<Self, ImageError> {
        let tasks = images.messages::<PstreeEntry>("pstree.img")?.iter().collect::<Result<_, _>>()?;
        let names = Names::read(&images)?;
        Ok(Memory { path: path.into(), images, tasks, names, shared: RefCell::default() })
    }

    /// The IDs that processes have in the container, parents before children; zombies are not among them.
    pub fn processes(&self) -> Vec<u32> {
        self.tasks.iter().map(|task| task.pid).filter(|&pid| self.images.get(&mm_image(pid)).is_some()).collect()
    }

    /// The process `pid`, or the only one there is.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn process(&self, pid: Option<u32>) -> Result<u32, MemoryError> {
        let there = self.processes();
        match (pid, &there[..]) {
            (Some(pid), there) if there.contains(&pid) => Ok(pid),
            (Some(pid), _) if self.tasks.iter().any(|task| task.pid == pid) => Err(MemoryError::Zombie { pid }),
            (Some(pid), _) => Err(MemoryError::NoProcess { pid, there }),
            (None, [pid]) => Ok(*pid),
            (None, _) => Err(MemoryError::WhichProcess { there }),
        }
    }

    /// Its short name.
    ///
    /// # Errors
    /// [`MemoryError::Image`].
    pub fn command(&self, pid: u32) -> Result<Vec<u8>, MemoryError> {
        let core: CoreEntry = self.message(&format!("core-{pid}.img"))?;
        Ok(core.task.map(|task| task.comm).unwrap_or_default())
    }

    /// The mappings of a process in the order of their addresses.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn mappings(&self, pid: u32) -> Result<Vec<Mapping>, MemoryError> {
        Ok(self.space(pid)?.mappings)
    }

    pub(super) fn space(&self, pid: u32) -> Result<Space, MemoryError> {
        let mm = self.mm(pid)?;
        let own = Rc::new(self.own_pages(pid)?);
        Space::new(pid, &mm, &self.names, |vma| {
            Ok(match self.shared_memory(vma) {
                Some(id) => Backing { runs: self.shared_pages(id)?, start: vma.pgoff },
                None => Backing { runs: Rc::clone(&own), start: vma.start },
            })
        })
    }

    pub(super) fn mm(&self, pid: u32) -> Result<MmEntry, MemoryError> {
        self.message(&mm_image(pid))
    }

    pub(super) fn own_pages(&self, pid: u32) -> Result<PageRuns, MemoryError> {
        PageRuns::read(&self.images, &format!("pagemap-{pid}.img")).map_err(|source| self.image_error(source))
    }

    pub(super) fn shared_pages(&self, id: u64) -> Result<Rc<PageRuns>, MemoryError> {
        if let Some(known) = self.shared.borrow().get(&id) {
            return Ok(Rc::clone(known));
        }
        let runs = PageRuns::read(&self.images, &format!("pagemap-shmem-{id}.img"));
        let runs = Rc::new(runs.map_err(|source| self.image_error(source))?);
        self.shared.borrow_mut().insert(id, Rc::clone(&runs));
        Ok(runs)
    }

    /// The number of the shared memory that a mapping is of. What a process changed in a private mapping of it is its own.
    pub(super) fn shared_memory(&self, vma: &VmaEntry) -> Option<u64> {
        if !is_of_shared_memory(vma) {
            return None;
        }
        match vma.status & VMA_MEMFD {
            0 => Some(vma.shmid),
            _ => self.names.memfd(vma.shmid).map(|memfd| memfd.shmid.into()),
        }
    }

    pub(super) fn message<M: criu_images::ImageMessage>(&self, name: &str) -> Result<M, MemoryError> {
        self.images.message(name).map_err(|source| self.image_error(source))
    }

    pub(super) fn image_error(&self, source: ImageError) -> MemoryError {
        MemoryError::Image { path: self.path.clone(), source }
    }

    /// That `name` cannot be read.
    pub(super) fn read_error(&self, source: rustix::io::Errno) -> MemoryError {
        self.image_error(ImageError::Read { name: "an image of pages".into(), source })
    }
}

fn mm_image(pid: u32) -> String {
    format!("mm-{pid}.img")
}
