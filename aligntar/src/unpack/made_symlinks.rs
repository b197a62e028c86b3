//! Symbolic links that this run has made, and where paths lead that go through them.
//!
//! Such a link is followed in thought alone: what comes of it is a path without links, which is opened like any other,
//! beneath the root. So nothing that others do to the tree meanwhile can lead outside of it.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::error::Refusal;
use super::place::InodeId;
use crate::beneath::{Resolver, SafePath};
use crate::inode::os;
use crate::shown::ShownName;

/// Bytes of memory for links that are remembered; those beyond it are not followed.
const REMEMBERED_BYTES: usize = 64 << 20;

/// Links that one path leads through at most, as for the kernel (path_resolution(7)), and ways back up that it takes.
const TURNS: usize = 40;

/// Where a link leads, as the archive has it.
struct Target {
    text: Box<[u8]>,
    was_told: bool,
}

/// Links by their inodes: one that somebody else puts in the place of another is not followed.
#[derive(Default)]
pub(super) struct OwnLinks {
    targets: HashMap<InodeId, Target>,
    bytes: usize,
    /// Paths of links that were followed: what is kept by way of them ends with them.
    followed: HashSet<SafePath>,
}

/// A link and where it leads, for the [`Witness`](super::Witness).
pub(super) type Followed = (ShownName, ShownName);

/// Why a path does not lead anywhere.
pub(super) enum NoWay {
    Refused(Refusal),
    Failed(Errno),
}

impl From<Errno> for NoWay {
    fn from(errno: Errno) -> Self {
        NoWay::Failed(errno)
    }
}

impl OwnLinks {
    pub(super) fn add(&mut self, inode: InodeId, text: &[u8]) {
        let bytes = 2 * size_of::<(InodeId, Target)>() + text.len();
        if self.bytes + bytes <= REMEMBERED_BYTES {
            self.bytes += bytes;
            self.targets.insert(inode, Target { text: text.into(), was_told: false });
        }
    }

    /// Whether what is kept of paths may lead through a link at `path`. That is asked when something else takes its place.
    pub(super) fn forget(&mut self, path: &SafePath) -> bool {
        self.followed.remove(path)
    }

    /// The directory that `path` leads to, as a path without links; its last names may be of what is not there yet. With
    /// it the links that were followed for the first time.
    pub(super) fn resolve(
        &mut self,
        root: BorrowedFd<'_>,
        resolver: Resolver,
        path: &[u8],
    ) -> Result<(SafePath, Vec<Followed>), NoWay> {
        let mut walk = Walk { root, resolver, here: None, path: Vec::new(), todo: Vec::new(), turns: 0 };
        let mut told = Vec::new();
        walk.add(path, false);
        while let Some(name) = walk.todo.pop() {
            let Some(link) = walk.enter(name)? else { continue };
            walk.turn()?;
            let target = self.targets.get_mut(&link.inode).ok_or(NoWay::Refused(Refusal::ThroughSymlink))?;
            if target.text.starts_with(b"/") {
                return Err(NoWay::Refused(Refusal::LinkToOutside));
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

fn safe(path: &[u8]) -> Result<SafePath, NoWay> {
    SafePath::new(path).map_err(|bad| NoWay::Refused(Refusal::Path(bad)))
}

/// A name that is yet to be entered.
struct Name {
    bytes: Vec<u8>,
    is_of_link: bool,
}

/// A link that stands in the way.
struct Link {
    path: Vec<u8>,
    inode: InodeId,
}

/// A walk from directory to directory that follows nothing by itself.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    resolver: Resolver,
    /// Where it is; `None` if that is yet to be opened.
    here: Option<OwnedFd>,
    /// The same as a path without links; empty for the root.
    path: Vec<u8>,
    /// The next is last.
    todo: Vec<Name>,
    /// Links and ways upwards so far, each of which costs as much as the whole path.
    turns: usize,
}

impl Walk<'_> {
    fn add(&mut self, path: &[u8], is_of_link: bool) {
        let names = path.split(|&byte| byte == b'/').rev().filter(|name| !matches!(*name, b"" | b"."));
        self.todo.extend(names.map(|name| Name { bytes: name.to_vec(), is_of_link }));
    }

    fn turn(&mut self) -> Result<(), NoWay> {
        self.turns += 1;
        if self.turns > TURNS { Err(NoWay::Refused(Refusal::LinkToNothing)) } else { Ok(()) }
    }

    /// Goes to `name`, unless that is a link.
    fn enter(&mut self, name: Name) -> Result<Option<Link>, NoWay> {
        if name.bytes == b".." {
            return self.leave().map(|()| None);
        }
        let here = self.here()?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entered = match openat(here, os(&name.bytes), flags, Mode::empty()) {
            Err(Errno::NOENT) if name.is_of_link => return Err(NoWay::Refused(Refusal::LinkToNothing)),
            Err(Errno::NOENT) => {
                self.add_missing(name);
                return Ok(None);
            }
            entered => entered?,
        };
        let stat = fstat(&entered)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                push(&mut self.path, &name.bytes);
                self.here = Some(entered);
                Ok(None)
            }
            FileType::Symlink => {
                let mut path = self.path.clone();
                push(&mut path, &name.bytes);
                Ok(Some(Link { path, inode: InodeId::of(&stat) }))
            }
            _ if name.is_of_link => Err(NoWay::Refused(Refusal::LinkToNothing)),
            _ => Err(NoWay::Refused(Refusal::ThroughFile)),
        }
    }

    /// Goes up: the path has no links, so that it is the one without its last name.
    fn leave(&mut self) -> Result<(), NoWay> {
        if self.path.is_empty() {
            return Err(NoWay::Refused(Refusal::LinkToOutside));
        }
        let slash = self.path.iter().rposition(|&byte| byte == b'/');
        self.path.truncate(slash.unwrap_or(0));
        self.here = None;
        Ok(())
    }

    fn here(&mut self) -> Result<BorrowedFd<'_>, NoWay> {
        if self.path.is_empty() {
            return Ok(self.root);
        }
        if self.here.is_none() {
            self.turn()?;
            self.here = Some(self.resolver.open(self.root, &self.path, OFlags::PATH)?);
        }
        Ok(self.here.as_ref().expect("it was opened above").as_fd())
    }

    /// From here on there is nothing. Names of links come before all others, so that only the path's own are left.
    fn add_missing(&mut self, name: Name) {
        push(&mut self.path, &name.bytes);
        while let Some(name) = self.todo.pop() {
            push(&mut self.path, &name.bytes);
        }
    }
}

fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn links_of_this_run_lead_to_directories_beneath_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("usr/lib/deep")).unwrap();
        fs::write(root.join("file"), b"").unwrap();
        let mut links = OwnLinks::default();
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
                    Err(NoWay::Refused(why)) => Err(why),
                    Err(NoWay::Failed(errno)) => panic!("{path}: {errno}"),
                };
                assert_eq!(found.as_deref(), expected.as_ref().map(|real| *real), "{path}");
            }
        }
    }

    #[test]
    fn each_link_is_told_once_and_forgotten_with_what_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        symlink("d", folder.path().join("l")).unwrap();
        let metadata = folder.path().join("l").symlink_metadata().unwrap();
        let mut links = OwnLinks::default();
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
