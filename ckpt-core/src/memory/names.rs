//! The files that mappings are of.

use std::collections::BTreeMap;

use criu_images::{FILE_MEMFD, FILE_REGULAR, FileEntry, ImageError, Images, MemfdInodeEntry};

/// Paths and shared memory, by the numbers in CRIU's images.
#[derive(Debug, Default)]
pub(super) struct Names {
    files: BTreeMap<u64, Vec<u8>>,
    memfds: BTreeMap<u64, MemfdInodeEntry>,
}

impl Names {
    pub(super) fn read(images: &Images) -> Result<Self, ImageError> {
        let mut names = Names::default();
        let mut inodes = BTreeMap::new();
        // CRIU leaves out images without messages.
        if images.get("memfd.img").is_some() {
            for inode in images.messages::<MemfdInodeEntry>("memfd.img")?.iter() {
                let inode = inode?;
                inodes.insert(inode.inode_id, inode);
            }
        }
        if images.get("files.img").is_some() {
            for file in images.messages::<FileEntry>("files.img")?.iter() {
                names.add(file?, &inodes);
            }
        }
        Ok(names)
    }

    fn add(&mut self, file: FileEntry, inodes: &BTreeMap<u64, MemfdInodeEntry>) {
        let id = u64::from(file.id);
        match (file.kind, file.reg, file.memfd) {
            (FILE_REGULAR, Some(reg), _) => {
                self.files.insert(id, reg.name);
            }
            (FILE_MEMFD, _, Some(memfd)) => {
                if let Some(inode) = inodes.get(&memfd.inode_id.into()) {
                    self.memfds.insert(id, inode.clone());
                }
            }
            _ => {}
        }
    }

    /// The path of the file of this number.
    pub(super) fn file(&self, id: u64) -> Option<&[u8]> {
        self.files.get(&id).map(Vec::as_slice)
    }

    /// The memory that the file of this number is.
    pub(super) fn memfd(&self, id: u64) -> Option<&MemfdInodeEntry> {
        self.memfds.get(&id)
    }
}
