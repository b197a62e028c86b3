//! The archive's file for other threads: one descriptor for all members.

use std::fs::File;
use std::io;
use std::sync::Arc;

use rustix::fs::fstat;

use super::dir_entry::InodeId;

/// The file that was shared last.
#[derive(Default)]
pub(super) struct SharedArchive(Option<(InodeId, Arc<File>)>);

impl SharedArchive {
    /// `archive` for as long as any thread has it, even if the borrowed file is closed.
    pub(super) fn share(&mut self, archive: &File) -> io::Result<Arc<File>> {
        let inode = InodeId::of(&fstat(archive)?);
        if let Some((known, shared)) = &self.0
            && *known == inode
        {
            return Ok(shared.clone());
        }
        let shared = Arc::new(archive.try_clone()?);
        self.0 = Some((inode, shared.clone()));
        Ok(shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_serves_all_members_of_a_file() {
        let (one, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut shared = SharedArchive::default();
        let first = shared.share(&one).unwrap();
        assert!(Arc::ptr_eq(&first, &shared.share(&one).unwrap()));
        assert!(!Arc::ptr_eq(&first, &shared.share(&other).unwrap()));
    }
}
