//! Random trees on a disk.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, mknodat, utimensat};

use crate::random::Seeded;
use crate::shape::{Bytes, Shape};

/// Makes the tree of `seed` in the empty directory `root`.
pub(crate) fn plant(root: &Path, shape: &Shape, seed: u64) {
    let mut tree = Tree { root, shape, random: Seeded::new(seed), made: Vec::new(), directories: vec![PathBuf::new()] };
    for _ in 0..4 + tree.random.below(20) {
        tree.grow();
    }
    tree.give_attributes();
}

struct Tree<'t> {
    root: &'t Path,
    shape: &'t Shape,
    random: Seeded,
    /// Paths below the root of all but directories; of an inode with several names, the first.
    made: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Tree<'_> {
    fn grow(&mut self) {
        let Some(path) = self.new_path() else { return };
        let full = self.root.join(&path);
        match self.random.below(12) {
            0..3 => {
                fs::create_dir(&full).unwrap();
                return self.directories.push(path);
            }
            3 => symlink(OsStr::from_bytes(&self.target()), &full).unwrap(),
            4 if self.shape.fifos => mknodat(CWD, &full, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
            5 if self.shape.devices => self.device(&full),
            6 => self.sparse(&full),
            7 if !self.made.is_empty() => return self.hard_link(&path),
            _ => self.regular(&full),
        }
        self.made.push(path);
    }

    /// Which of the names becomes a link to the other is the writer's choice: both have to fit as a target.
    fn hard_link(&mut self, path: &Path) {
        let other = &self.made[self.random.below(self.made.len())];
        let fits = |path: &Path| "./".len() + path.as_os_str().len() <= self.shape.target_len;
        if fits(path) && fits(other) {
            fs::hard_link(self.root.join(other), self.root.join(path)).unwrap();
        }
    }

    /// A name in some directory that is not there yet and fits the shape.
    fn new_path(&mut self) -> Option<PathBuf> {
        let name = self.name();
        let directory = self.random.below(self.directories.len());
        let path = self.directories[directory].join(OsStr::from_bytes(&name));
        let archived = path.as_os_str().as_bytes().len() + "./".len() + "/".len();
        let fits = archived <= self.shape.path_len && (!self.shape.splits || splits(path.as_os_str().as_bytes()));
        (fits && self.root.join(&path).symlink_metadata().is_err()).then_some(path)
    }

    fn name(&mut self) -> Vec<u8> {
        let len = match self.random.below(8) {
            0 => 1 + self.random.below(255),
            1 => 90 + self.random.below(20),
            _ => 1 + self.random.below(12),
        };
        let mut name = self.text(len);
        name.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'_');
        if matches!(&name[..], b"." | b"..") { b"dots".to_vec() } else { name }
    }

    fn target(&mut self) -> Vec<u8> {
        let most = if self.random.one_in(3) { self.shape.target_len } else { 30.min(self.shape.target_len) };
        let len = 1 + self.random.below(most);
        self.text(len)
    }

    /// Mostly letters; in some names anything but NUL.
    fn text(&mut self, len: usize) -> Vec<u8> {
        let plain = !self.random.one_in(3);
        if !plain && self.shape.name_bytes == Bytes::Utf8 {
            let letters: Vec<char> = "aé \n\t\"'*~-ß€𐍈_%=\u{7f}\u{1}".chars().collect();
            let mut text = String::new();
            while text.len() + 4 <= len.max(4) {
                text.push(self.random.pick(&letters));
            }
            return text.into_bytes();
        }
        (0..len).map(|_| if plain { self.random.pick(b"abcxyz.-") } else { 1 + self.random.below(255) as u8 }).collect()
    }

    fn regular(&mut self, path: &Path) {
        let sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 10_000, 65_536];
        let len = if self.random.one_in(4) { self.random.below(200_000) } else { self.random.pick(&sizes) };
        // A block of zeros is data, not a hole.
        let zeros = self.random.one_in(8);
        fs::write(path, if zeros { vec![0; len] } else { self.random.bytes(len) }).unwrap();
    }

    /// Data in pieces, with holes between, at the end and at the start.
    fn sparse(&mut self, path: &Path) {
        const UNIT: usize = 64 << 10;
        let file = File::create(path).unwrap();
        let pieces = self.random.pick(&[0, 1, 2, 5, 30]);
        for piece in 0..pieces {
            let offset = (2 * piece + self.random.below(2)) * UNIT + self.random.pick(&[0, 0, 100, 512, 4096]);
            let len = self.random.pick(&[1, 512, 4096, 5000]);
            file.write_all_at(&self.random.bytes(len), offset as u64).unwrap();
        }
        if self.random.one_in(2) {
            file.set_len((2 * pieces * UNIT + UNIT + self.random.below(UNIT)) as u64).unwrap();
        }
    }

    fn device(&mut self, path: &Path) {
        let kind = self.random.pick(&[FileType::CharacterDevice, FileType::BlockDevice]);
        let number = rustix::fs::makedev(self.random.below(1 << 12) as u32, self.random.below(1 << 20) as u32);
        mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), number).unwrap();
    }

    /// Directories last and the deepest first: making what is in them changes their times.
    fn give_attributes(&mut self) {
        for path in std::mem::take(&mut self.made) {
            self.give(&path, false);
        }
        for path in std::mem::take(&mut self.directories).into_iter().rev() {
            self.give(&path, true);
        }
    }

    fn give(&mut self, path: &Path, is_directory: bool) {
        let path = self.root.join(path);
        let stat = path.symlink_metadata().unwrap();
        if (stat.is_file() || is_directory) && self.random.one_in(3) {
            let len = self.random.pick(&[0, 1, 20, 300]);
            let signs = if self.shape.escaped_xattrs { "user.some=name%" } else { "user.some-name" };
            let name = self.random.pick(&["user.a", signs, "user.lines"]);
            rustix::fs::setxattr(&path, name, &self.random.bytes(len), XattrFlags::empty()).unwrap();
        }
        if let Some(largest) = self.shape.largest_id {
            let ids = [0, 1000, 65534, (1 << 21) - 1, 1 << 21, 1 << 31, u32::MAX - 1];
            let [uid, gid] = [(); 2].map(|()| self.random.pick(&ids).min(largest));
            lchown(&path, Some(uid), Some(gid)).unwrap();
        }
        if !stat.is_symlink() {
            fs::set_permissions(&path, Permissions::from_mode(self.mode(is_directory))).unwrap();
        }
        self.set_mtime(&path);
    }

    /// Whoever is not root has to be able to read what is packed, and to write what is unpacked.
    fn mode(&mut self, is_directory: bool) -> u32 {
        let special = if self.random.one_in(5) { self.random.pick(&[0o4000, 0o2000, 0o1000, 0o6000]) } else { 0 };
        let needed = match self.shape.largest_id {
            Some(_) => 0,
            None if is_directory => 0o700,
            None => 0o600,
        };
        special | needed | self.random.below(0o1000) as u32
    }

    fn set_mtime(&mut self, path: &Path) {
        let (first, last) = (*self.shape.mtimes.start(), *self.shape.mtimes.end());
        let near = [first, last, first.max(-1), 0, 1, 1 << 31, 1 << 33].map(|secs| secs.clamp(first, last));
        let secs = match self.random.one_in(2) {
            true => self.random.pick(&near),
            false => first + (self.random.next() % (last - first) as u64) as i64,
        };
        let nanos = if self.random.one_in(3) { 0 } else { self.random.below(1_000_000_000) as i64 };
        let time = Timespec { tv_sec: secs, tv_nsec: nanos };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// Whether `path`, with `./` before it and a slash behind it, fits name and prefix of a ustar header.
fn splits(path: &[u8]) -> bool {
    let archived = [b"./", path, b"/"].concat();
    let split = |slash: usize| archived[slash] == b'/' && slash <= 155 && archived.len() - slash - 1 <= 100;
    archived.len() <= 100 || (1..archived.len() - 1).any(split)
}
