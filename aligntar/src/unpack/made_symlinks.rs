//! Symbolic links that this run has made, and where paths lead that go through them.
//!
//! Such a link is followed by its text as the archive has it, not by the kernel. The result is a path without links,
//! which is opened like any other, beneath the root. So nothing that others do to the tree can lead out of it.

mod walk;

use std::collections::{HashMap, HashSet};
use std::os::fd::BorrowedFd;

use super::dir_entry::InodeId;
use super::error::Refusal;
use crate::beneath::Resolver;
use crate::safe_path::SafePath;
use crate::shown::ShownName;
pub(super) use walk::Unresolved;
use walk::Walk;

/// Bytes of memory for links that are remembered; those beyond it are not followed.
const REMEMBERED_BYTES: usize = 64 << 20;

/// Where a link leads, as the archive has it.
struct Target {
    text: Box<[u8]>,
    was_told: bool,
}

/// Links by their inodes: one that somebody else puts in the place of another is not followed.
#[derive(Default)]
pub(super) struct MadeSymlinks {
    targets: HashMap<InodeId, Target>,
    bytes: usize,
    /// Paths of links that were followed. Directories that were found through a link are forgotten with it.
    followed: HashSet<SafePath>,
}

/// A link and where it leads, for the [`UnpackObserver`](super::UnpackObserver).
pub(super) type Followed = (ShownName, ShownName);

impl MadeSymlinks {
    pub(super) fn add(&mut self, inode: InodeId, text: &[u8]) {
        let bytes = 2 * size_of::<(InodeId, Target)>() + text.len();
        if self.bytes + bytes <= REMEMBERED_BYTES {
            self.bytes += bytes;
            self.targets.insert(inode, Target { text: text.into(), was_told: false });
        }
    }

    /// Forgets the link at `path`, because something else takes its place. `true` if a path has led through it.
    pub(super) fn forget(&mut self, path: &SafePath) -> bool {
        self.followed.remove(path)
    }

    /// The directory that `path` leads to, as a path without links, and the links that were followed for the first
    /// time. The last names of the path need not exist yet.
    pub(super) fn resolve(
        &mut self,
        root: BorrowedFd<'_>,
        resolver: Resolver,
        path: &[u8],
    ) -> Result<(SafePath, Vec<Followed>), Unresolved> {
        let mut walk = Walk::new(root, resolver);
        let mut told = Vec::new();
        walk.add(path, false);
        while let Some(link) = walk.next_link()? {
            let target = self.targets.get_mut(&link.inode).ok_or(Unresolved::Refused(Refusal::ThroughSymlink))?;
            if target.text.starts_with(b"/") {
                return Err(Unresolved::Refused(Refusal::LinkToOutside));
            }
            if !std::mem::replace(&mut target.was_told, true) {
                told.push((ShownName::new(&link.path), ShownName::new(&target.text)));
            }
            self.followed.insert(safe(&link.path)?);
            walk.add(&target.text, true);
        }
        let path = if walk.path.is_empty() { &b"."[..] } else { &walk.path };
        Ok((safe(path)?, told))
    }
}

fn safe(path: &[u8]) -> Result<SafePath, Unresolved> {
    SafePath::new(path).map_err(|bad| Unresolved::Refused(Refusal::Path(bad)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::fd::AsFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn links_of_this_run_lead_to_directories_beneath_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
        fs::write(root.join("file"), b"").unwrap();
        let mut links = MadeSymlinks::default();
        for (name, target) in [
            ("lib", "usr/lib"),
            ("usr/up", "../usr/./lib/"),
            ("usr/lib/out", "../../.."),
            ("usr/lib/back", "../../../root/usr"),
            ("chain", "usr/up/deep"),
            ("self", "self"),
            ("nowhere", "usr/none"),
            ("to-file", "file"),
            ("slash", "/usr/lib"),
            ("dot", "."),
            ("foreign", "usr/lib"),
            ("by-foreign", "foreign/deep"),
        ] {
            symlink(target, root.join(name)).unwrap();
            let metadata = root.join(name).symlink_metadata().unwrap();
            if name != "foreign" {
                links.add(InodeId::new(metadata.dev(), metadata.ino()), target.as_bytes());
            }
        }
        let root = File::open(&root).unwrap();
        let cases: [(&str, Result<&str, Refusal>); 18] = [
            ("lib", Ok("usr/lib")),
            ("lib/deep", Ok("usr/lib/deep")),
            ("lib/new/newer", Ok("usr/lib/new/newer")),
            ("usr/up/deep", Ok("usr/lib/deep")),
            ("chain", Ok("usr/lib/deep")),
            ("dot/dot/dot/lib", Ok("usr/lib")),
            ("dot", Ok("")),
            ("usr/lib", Ok("usr/lib")),
            ("new/lib", Ok("new/lib")),
            ("lib/out", Err(Refusal::LinkToOutside)),
            ("lib/back", Err(Refusal::LinkToOutside)),
            ("slash", Err(Refusal::LinkToOutside)),
            ("self", Err(Refusal::LinkToNothing)),
            ("nowhere/x", Err(Refusal::LinkToNothing)),
            ("to-file", Err(Refusal::LinkToNothing)),
            ("foreign", Err(Refusal::ThroughSymlink)),
            ("by-foreign", Err(Refusal::ThroughSymlink)),
            ("file/x", Err(Refusal::ThroughFile)),
        ];
        for resolver in [Resolver::Openat2, Resolver::Components] {
            for (path, expected) in &cases {
                let found = match links.resolve(root.as_fd(), resolver, path.as_bytes()) {
                    Ok((real, _)) => Ok(String::from_utf8(real.as_bytes().to_vec()).unwrap()),
                    Err(Unresolved::Refused(why)) => Err(why),
                    Err(Unresolved::Failed(errno)) => panic!("{path}: {errno}"),
                };
                assert_eq!(found.as_deref(), expected.as_ref().map(|real| *real), "{path}");
            }
        }
    }

    #[test]
    fn each_link_is_reported_once_and_forgotten_with_what_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        symlink("d", folder.path().join("l")).unwrap();
        let metadata = folder.path().join("l").symlink_metadata().unwrap();
        let mut links = MadeSymlinks::default();
        links.add(InodeId::new(metadata.dev(), metadata.ino()), b"d");
        let root = File::open(folder.path()).unwrap();
        let link = SafePath::new(b"l").unwrap();
        assert!(!links.forget(&link));
        for told in [1, 0, 0] {
            let Ok((_, found)) = links.resolve(root.as_fd(), Resolver::of_kernel(), b"l/x") else { panic!() };
            assert_eq!(found.len(), told);
        }
        assert!(links.forget(&link) && !links.forget(&link));
    }
}
