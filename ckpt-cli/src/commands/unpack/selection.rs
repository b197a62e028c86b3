//! Which members to unpack: those that were named, with all that is below them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, ensure};

/// The members that were named, and which of them the archive has.
pub(super) struct Selection {
    members: Vec<(PathBuf, bool)>,
}

impl Selection {
    pub(super) fn new(members: &[PathBuf]) -> Self {
        let plain = |member: &PathBuf| (plain(member.as_os_str().as_bytes()), false);
        Selection { members: members.iter().map(plain).collect() }
    }

    /// Whether the archive's member `path` is to be unpacked.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        let path = plain(path);
        self.is_all() || self.members.iter().any(|(member, _)| path.starts_with(member))
    }

    /// As [`Selection::has`], and notes that the archive has it.
    pub(super) fn find(&mut self, path: &[u8]) -> bool {
        let path = plain(path);
        let mut is_wanted = self.is_all();
        for (member, found) in &mut self.members {
            if path.starts_with(&*member) {
                (*found, is_wanted) = (true, true);
            }
        }
        is_wanted
    }

    pub(super) fn is_all(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn check(&self) -> Result<()> {
        let missing = self.members.iter().find(|(_, found)| !found);
        ensure!(
            missing.is_none(),
            "the archive has no member {}",
            missing.map_or(Path::new(""), |(path, _)| path.as_path()).display()
        );
        Ok(())
    }
}

/// The root and what is below it, however it is spelled: `./a` and `/a` are `a`.
pub(super) fn plain(path: &[u8]) -> PathBuf {
    let means_nothing = |component: &Component<'_>| matches!(component, Component::CurDir | Component::RootDir);
    Path::new(OsStr::from_bytes(path)).components().filter(|component| !means_nothing(component)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_members_come_with_all_below_them() {
        let members = ["a/b".into(), "./c/".into(), "gone".into()];
        let mut wanted = Selection::new(&members);
        for (path, expected) in [("a/b", true), ("a/b/c", true), ("a", false), ("a/bc", false), ("c/d", true)] {
            assert_eq!((wanted.has(path.as_bytes()), wanted.find(path.as_bytes())), (expected, expected), "{path}");
        }
        for path in ["./a/b", "/a/b", "/./a//b/c", "./c"] {
            assert!(wanted.has(path.as_bytes()), "{path}");
        }
        for member in ["/a", "./a", "a/", "."] {
            let members = [member.into()];
            assert!(Selection::new(&members).has(b"./a") && Selection::new(&members).has(b"/a/b"), "{member}");
        }
        assert!(wanted.check().unwrap_err().to_string().contains("gone"));
        assert!(Selection::new(&[]).find(b"anything"));
    }
}
