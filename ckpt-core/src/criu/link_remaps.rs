//! Names that CRIU gives open files for the time of a dump, and cannot take back when it is killed.
//!
//! A file that is open by a name that is gone, and has another one, gets a third: `link_remap.N` in the folder of the
//! first, or in the nearest above that is still there (CRIU, `criu/files-reg.c`, `create_link_remap`). CRIU removes it
//! when the dump is undone, and before tasks that are left running go on. Nothing of what it writes tells a killed
//! one's names for certain: its log has none, and its images are not all on the disk then.
//!
//! So the files are noted before the dump, with the names of this form that they have. A name that is new afterwards is
//! CRIU's, since the tasks stand still while CRIU works. Of a file that was not open when the note was made, the user
//! is only told.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, openat2, statat, unlinkat};
use serde::{Deserialize, Serialize};

use crate::host::byte_path::BytePath;
use crate::host::processes::{self, Stat};

/// Name of the note in a session's folder.
const NOTE: &str = "link-remaps.json";

/// A file that a process has open by a name that is gone, though it has others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Unnamed {
    device: u64,
    inode: u64,
    /// Where the name was, as the container sees it.
    folder: BytePath,
}

impl Unnamed {
    /// What CRIU has to name anew, if `link` in /proc leads to that.
    fn of(link: &Path) -> Option<Self> {
        let path = fs::read_link(link).ok()?;
        let path = path.as_os_str().as_bytes().strip_suffix(b" (deleted)")?;
        let file = fs::metadata(link).ok().filter(|file| !file.is_dir() && file.nlink() > 0)?;
        let folder = Path::new(OsStr::from_bytes(path)).parent()?.as_os_str().into();
        Some(Unnamed { device: file.dev(), inode: file.ino(), folder })
    }

    /// Its names of CRIU's form, in the places where CRIU makes them.
    fn names(&self, root: &File) -> BTreeSet<BytePath> {
        let names = self.folder.0.ancestors().flat_map(|folder| self.names_in(root, folder).unwrap_or_default());
        names.map(BytePath).collect()
    }

    fn names_in(&self, root: &File, folder: &Path) -> rustix::io::Result<Vec<PathBuf>> {
        let opened = open_folder(root, folder)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_of_criu(name.to_bytes()) && self.is(&opened, name) {
                names.push(folder.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
        Ok(names)
    }

    fn is(&self, folder: impl AsFd, name: impl rustix::path::Arg) -> bool {
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|file| (file.st_dev, file.st_ino) == (self.device, self.inode))
    }

    fn remove(&self, root: &File, path: &Path) -> bool {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
        open_folder(root, folder)
            .is_ok_and(|folder| self.is(&folder, name) && unlinkat(&folder, name, AtFlags::empty()).is_ok())
    }
}

/// The folder at a path of the container, by its links and mounts.
fn open_folder(root: &File, path: &Path) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS).map(File::from)
}

/// CRIU numbers them from 1 on.
fn is_of_criu(name: &[u8]) -> bool {
    let number = name.strip_prefix(b"link_remap.");
    number.is_some_and(|number| matches!(number, [b'1'..=b'9', ..]) && number.iter().all(u8::is_ascii_digit))
}

/// The files that CRIU may have to name anew, with the names that they have had before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LinkRemaps {
    /// The container's first process.
    init: i32,
    /// When that was started, as proc_pid_stat(5) has it: numbers of processes get used again.
    started: u64,
    files: BTreeSet<Unnamed>,
    names: BTreeSet<BytePath>,
}

impl LinkRemaps {
    /// What the processes `pids` have open so, in the container whose first process is `init`; looked at while it runs.
    pub(crate) fn expect(init: u32, pids: impl Iterator<Item = i32>) -> Self {
        let init = init.cast_signed();
        let started = Stat::of(init).map_or(0, |stat| stat.started);
        let (mut files, mut names) = (BTreeSet::new(), BTreeSet::new());
        if let Ok(root) = root_of(init) {
            files = open_files(pids);
            names = files.iter().flat_map(|file| file.names(&root)).collect();
        }
        LinkRemaps { init, started, files, names }
    }

    /// Notes them for the run that finds this one dead.
    pub(crate) fn note(&self, session: &Path) -> std::io::Result<()> {
        fs::write(session.join(NOTE), serde_json::to_vec(self).expect("a note is JSON"))
    }

    /// What a dead run noted; none if it did not come so far.
    pub(crate) fn noted(session: &Path) -> std::io::Result<Option<Self>> {
        match fs::read(session.join(NOTE)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            note => Ok(Some(serde_json::from_slice(&note?)?)),
        }
    }

    /// Removes the names that a killed CRIU left in the container, whose processes are `pids`; gives those of which it
    /// is not certain that they are CRIU's, or that could not be removed.
    ///
    /// One that was dumped and has ended needs them to come back, and while somebody traces it they may be another
    /// CRIU's.
    pub(crate) fn take_back(&self, pids: impl Iterator<Item = i32>) -> Vec<PathBuf> {
        let is_same = Stat::of(self.init).is_some_and(|stat| !stat.is_dead && stat.started == self.started);
        let Ok(root) = root_of(self.init) else { return Vec::new() };
        if !is_same {
            return Vec::new();
        }
        let is_certain = !is_traced(self.init);
        let mut left = Vec::new();
        for file in self.files.union(&open_files(pids)) {
            let is_ours = is_certain && self.files.contains(file);
            let new = file.names(&root).into_iter().filter(|name| !self.names.contains(name));
            left.extend(new.map(|name| name.0).filter(|name| !(is_ours && file.remove(&root, name))));
        }
        left
    }
}

/// What to say of names that were not removed.
pub(crate) fn warning(left: &[PathBuf]) -> Option<String> {
    let names: Vec<_> = left.iter().map(|name| name.display().to_string()).collect();
    (!names.is_empty()).then(|| {
        format!("CRIU was killed, and has probably left these in the container, to be removed: {}", names.join(", "))
    })
}

/// The root of the container, which leads into its mounts as well.
fn root_of(init: i32) -> std::io::Result<File> {
    File::open(format!("/proc/{init}/root"))
}

fn is_traced(pid: i32) -> bool {
    let status = processes::read(pid, "status");
    let tracer =
        String::from_utf8_lossy(&status).lines().find_map(|line| line.strip_prefix("TracerPid:").map(str::to_owned));
    tracer.is_none_or(|tracer| tracer.trim() != "0")
}

/// What they have open, mapped, or execute.
fn open_files(pids: impl Iterator<Item = i32>) -> BTreeSet<Unnamed> {
    let links = |pid: i32| {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let folders = ["fd", "map_files"].map(|folder| fs::read_dir(process.join(folder)));
        let links = folders.into_iter().flatten().flatten().flatten().map(|link| link.path());
        links.chain([process.join("exe")])
    };
    pids.flat_map(links).filter_map(|link| Unnamed::of(&link)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;
    use std::process::{Child, Command};

    /// A container's only process. It has a file of the folder open whose first name is gone.
    struct Process(Child);

    impl Process {
        fn with_open_file(folder: &Path) -> Self {
            let file = File::create(folder.join("gone")).unwrap();
            fs::hard_link(folder.join("gone"), folder.join("other")).unwrap();
            fs::remove_file(folder.join("gone")).unwrap();
            Process(Command::new("sleep").arg("1000").stdin(file).spawn().unwrap())
        }

        fn pids(&self) -> impl Iterator<Item = i32> + use<> {
            iter::once(self.0.id().cast_signed())
        }

        fn noted(&self) -> LinkRemaps {
            LinkRemaps::expect(self.0.id(), self.pids())
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn link(folder: &Path, name: &str) {
        fs::hard_link(folder.join("other"), folder.join(name)).unwrap();
    }

    #[test]
    fn what_is_new_is_removed_and_nothing_else() {
        let [folder, session] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let (folder, session) = (folder.path(), session.path());
        let process = Process::with_open_file(folder);
        link(folder, "link_remap.5");
        fs::write(folder.join("link_remap.6"), "another file").unwrap();
        process.noted().note(session).unwrap();
        for name in ["link_remap.7", "link_remap.007", "link_remap.7x", "mine"] {
            link(folder, name);
        }
        let noted = LinkRemaps::noted(session).unwrap().unwrap();
        assert!(noted.take_back(process.pids()).is_empty());
        let kept = ["link_remap.007", "link_remap.5", "link_remap.6", "link_remap.7x", "mine", "other"];
        assert_eq!(names(folder), kept);
    }

    #[test]
    fn of_a_folder_that_is_gone_the_one_above_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        let process = Process::with_open_file(&inner);
        let noted = process.noted();
        fs::rename(inner.join("other"), folder.path().join("other")).unwrap();
        fs::remove_dir_all(folder.path().join("a")).unwrap();
        link(folder.path(), "link_remap.7");
        assert!(noted.take_back(process.pids()).is_empty());
        assert_eq!(names(folder.path()), ["other"]);
    }

    #[test]
    fn what_was_not_noted_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::with_open_file(folder.path());
        let noted = LinkRemaps::expect(process.0.id(), iter::empty());
        link(folder.path(), "link_remap.7");
        let left = noted.take_back(process.pids());
        assert_eq!(left, [folder.path().join("link_remap.7")]);
        assert!(warning(&left).unwrap().contains("link_remap.7") && warning(&[]).is_none());
        assert_eq!(names(folder.path()), ["link_remap.7", "other"]);
    }

    #[test]
    fn a_container_that_was_started_anew_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::with_open_file(folder.path());
        let noted = process.noted();
        link(folder.path(), "link_remap.7");
        let before = LinkRemaps { started: noted.started + 1, ..noted };
        assert!(before.take_back(process.pids()).is_empty());
        assert_eq!(names(folder.path()), ["link_remap.7", "other"]);
    }
}
