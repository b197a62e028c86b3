//! Carries the changes of one upperdir into another, plainly: the library says what and takes care of deletions, this
//! copies the files by path.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use layerfs::{Change, DataSource, Layers, Present, Upperdir, XattrNamespace};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags};

use super::overlay::Overlay;
use super::tree;

/// Takes the changes in upperdir `from` into a new upperdir `to` over the same lower layers and compares what the two
/// mounts show. Every deletion must be of something the lower layers show.
pub(crate) fn round_trip(overlay: &Overlay, from: &str, to: &str) -> Result<()> {
    let (source, target) = (overlay.layers(from)?, overlay.layers(to)?);
    let deleted = carry(&source, &target)?;
    let expected = tree::read(overlay.mount(from)?.path())?;
    let found = tree::read(overlay.mount(to)?.path())?;
    let differences = tree::differences(&expected, &found);
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    let base = tree::read(overlay.mount("unchanged")?.path())?;
    let needless: Vec<_> = deleted.iter().filter(|path| !base.contains_key(*path)).collect();
    ensure!(needless.is_empty(), "deleted, but shown by no lower layer: {needless:?}");
    Ok(())
}

/// Writes into the upperdir of `target` what the upperdir of `source` changes; gives what was deleted.
pub(crate) fn carry(source: &Layers, target: &Layers) -> Result<Vec<PathBuf>> {
    let mut deleted = Vec::new();
    let mut directories = Vec::new();
    layerfs::walk(source, |change| {
        match change {
            Change::Deleted { path, .. } => deleted.push(path.to_owned()),
            Change::Present(present) => {
                copy(&present, target).with_context(|| present.path.display().to_string())?;
                if FileType::from_raw_mode(present.stat.st_mode) == FileType::Directory {
                    directories.push((host_path(target, present.path), times(&present.stat)));
                }
            }
        }
        Ok::<(), anyhow::Error>(())
    })?;
    // Times first: deletions must keep them.
    for (path, times) in directories.iter().rev() {
        rustix::fs::utimensat(CWD, path, times, AtFlags::empty())?;
    }
    let mut upperdir = Upperdir::open(target)?;
    for path in &deleted {
        upperdir.delete(path)?;
    }
    upperdir.finish()?;
    Ok(deleted)
}

fn host_path(target: &Layers, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { target.upperdir.clone() } else { target.upperdir.join(path) }
}

fn copy(present: &Present<'_>, target: &Layers) -> Result<()> {
    let path = host_path(target, present.path);
    let original = PathBuf::from(format!("/proc/self/fd/{}", present.parent.as_raw_fd())).join(present.name);
    make(present, &original, &path)?;
    let stat = &present.stat;
    let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(CWD, &path, Some(owner.0), Some(owner.1), AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        rustix::fs::chmod(&path, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    }
    copy_xattrs(&original, &path, target.xattr_ns)?;
    rustix::fs::utimensat(CWD, &path, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

fn make(present: &Present<'_>, original: &Path, path: &Path) -> Result<()> {
    match FileType::from_raw_mode(present.stat.st_mode) {
        FileType::Directory if present.path.as_os_str().is_empty() => {}
        FileType::Directory => fs::create_dir(path)?,
        FileType::Symlink => std::os::unix::fs::symlink(fs::read_link(original)?, path)?,
        FileType::RegularFile => {
            let mut source = match &present.data()? {
                DataSource::Itself => File::open(original)?,
                DataSource::Lower(fd) => File::from(fd.try_clone()?),
            };
            let copied = io::copy(&mut source, &mut File::create_new(path)?)?;
            ensure!(i64::try_from(copied)? == present.stat.st_size, "{copied} bytes for {}", present.stat.st_size);
        }
        kind => rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), present.stat.st_rdev)?,
    }
    Ok(())
}

fn copy_xattrs(original: &Path, path: &Path, ns: XattrNamespace) -> Result<()> {
    for (name, value) in tree::xattrs(original)? {
        if let Some(merged) = ns.merged_xattr_name(&name) {
            let stored = ns.stored_xattr_name(&merged);
            rustix::fs::lsetxattr(path, &stored[..], &value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime as _, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ },
    }
}
