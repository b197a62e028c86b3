//! Which file it is, and whether it is as it was: a file that has the same size and times since it was read has the same
//! bytes.
//!
//! | a change by | moves the times |
//! |---|---|
//! | write(2), truncate(2), fallocate(2), rename(2), link(2), utimensat(2) | when it begins; ctime cannot be set back |
//! | a store to a shared mapping | at the first fault after the page was written out (`page_mkwrite`) |
//!
//! So a file is looked at first. Then its pages are written out, which protects them, and writers that have begun are
//! waited for. Only then it is read: what is stored later moves the times past those that were seen.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, SeekFrom, StatxFlags, StatxTimestamp, fstatfs, seek, statx};
use rustix::io::Errno;

use crate::sys;

/// A file that changed in the last seconds, as many as these, counts as changing still: within a tick of the kernel's
/// clock a second change has the same time as the first, and a direct write changes the times only when it begins.
const LATELY: i64 = 1;

/// File systems that keep the times as above (`f_type`, linux/magic.h): ext4, XFS, BTRFS, F2FS. tmpfs writes no pages
/// out, so it sees no stores, and on NFS or FUSE others may write.
const KEEP_TIMES: [i64; 4] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010];

/// Device and inode number.
pub(super) type FileId = (u32, u32, u64);

/// The size and the times of a file, as long as its bytes have not changed. Another file that has got its number was made
/// later, which nobody can set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    size: u64,
    mtime: (i64, u32),
    ctime: (i64, u32),
    born: (i64, u32),
}

/// A file at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) id: FileId,
    pub(super) version: Version,
    /// Whether a change after this moment gives another version.
    pub(super) tells: bool,
}

impl Seen {
    pub(super) fn now(file: &File) -> Result<Self, Errno> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as i64;
        let stat = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?;
        let time = |time: StatxTimestamp| (time.tv_sec, time.tv_nsec);
        let (mtime, ctime, born) = (time(stat.stx_mtime), time(stat.stx_ctime), time(stat.stx_btime));
        let version = Version { size: stat.stx_size, mtime, ctime, born };
        let tells = version.ctime.0 + LATELY < now && keeps_times(file)?;
        Ok(Seen { id: (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino), version, tells })
    }

    /// As [`Seen::now`], and has what changes from now on show, though others write to the file.
    pub(super) fn before_reading(file: &File) -> Result<Self, Errno> {
        let mut seen = Seen::now(file)?;
        if seen.tells {
            seen.tells = sys::clean_pages(file).is_ok() && wait_for_writers(file).is_ok();
        }
        Ok(seen)
    }
}

/// A file as it was before it was read, to be asked afterwards whether it is still the same.
///
/// ```no_run
/// use aligntar::UnchangedSince;
///
/// let file = std::fs::File::open("web.tar")?;
/// let before = UnchangedSince::now_optional(&file);
/// // … read the file …
/// let is_what_was_read = before.is_some_and(|before| before.is_true_of(&file));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UnchangedSince(Version);

impl UnchangedSince {
    /// From now on; `None` where a change would not show: on file systems other than ext4, XFS, BTRFS and F2FS, and of a
    /// file that changed within the last seconds.
    pub fn now_optional(file: &File) -> Option<Self> {
        let seen = Seen::before_reading(file).ok()?;
        seen.tells.then_some(UnchangedSince(seen.version))
    }

    /// Whether nobody has written to `file` since.
    pub fn is_true_of(&self, file: &File) -> bool {
        Seen::now(file).is_ok_and(|now| now.version == self.0)
    }
}

fn keeps_times(file: &File) -> Result<bool, Errno> {
    fstatfs(file).map(|statfs| KEEP_TIMES.contains(&{ statfs.f_type }))
}

/// Waits for the lock that a writer holds from its change of the times to its last byte: lseek(2) for a hole takes it on
/// ext4 and BTRFS, and on XFS each read does.
fn wait_for_writers(file: impl AsFd) -> Result<(), Errno> {
    match seek(file, SeekFrom::Hole(0)) {
        Ok(_) | Err(Errno::NXIO) => Ok(()),
        Err(errno) => Err(errno),
    }
}
