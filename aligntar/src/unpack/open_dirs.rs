//! The directories of the last members, kept open: members most often lie where one of those before them did.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use super::attributes::Owner;
use crate::safe_path::SafePath;

/// Descriptors that are kept. A walk comes back to a few directories above the one it is in.
const KEPT: usize = 8;

/// An open directory.
#[derive(Clone)]
pub(super) struct OpenDir {
    /// As the paths of members have it.
    path: Arc<[u8]>,
    /// The same without the symbolic links that it leads through, where it does.
    pub(super) real: Option<SafePath>,
    pub(super) descriptor: Arc<OwnedFd>,
    /// The owner of files that are made here. It depends on the process, the directory (set-group-ID) and the mount
    /// (`grpid`, ID mapping), so the first file shows it.
    pub(super) created_owner: Arc<OnceLock<Owner>>,
}

impl OpenDir {
    /// `path`, which lies in this directory, without links above it.
    pub(super) fn real_path(&self, path: SafePath) -> SafePath {
        match (&self.real, path.split()) {
            (Some(real), Some((_, name))) => real.join(name),
            _ => path,
        }
    }
}

/// Open directories by path, the last one used in front.
#[derive(Default)]
pub(super) struct OpenDirs(Vec<OpenDir>);

impl OpenDirs {
    /// The directory that was kept as `path`.
    pub(super) fn get(&mut self, path: &[u8]) -> Option<&mut OpenDir> {
        let at = self.0.iter().position(|folder| *folder.path == *path)?;
        self.0[..=at].rotate_right(1);
        self.0.first_mut()
    }

    /// `real` is where `path` leads, if that is another one.
    pub(super) fn keep(&mut self, path: &[u8], real: Option<SafePath>, descriptor: OwnedFd) -> &mut OpenDir {
        self.0.retain(|folder| *folder.path != *path);
        self.0.truncate(KEPT - 1);
        let (descriptor, created_owner) = (Arc::new(descriptor), Arc::default());
        self.0.insert(0, OpenDir { path: path.into(), real, descriptor, created_owner });
        &mut self.0[0]
    }

    /// Forgets all: after a directory or a link to one was removed, its path may lead elsewhere.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_stay() {
        let mut folders = OpenDirs::default();
        let open = || OwnedFd::from(std::fs::File::open("/").unwrap());
        for name in 0..KEPT as u8 {
            folders.keep(&[name], None, open());
        }
        folders.get(&[0]).unwrap().created_owner.set((1, 2)).unwrap();
        folders.keep(b"new", None, open());
        assert!(folders.get(&[1]).is_none());
        assert_eq!(folders.get(&[0]).unwrap().created_owner.get(), Some(&(1, 2)));
        folders.forget();
        assert!(folders.get(b"new").is_none());
    }
}
