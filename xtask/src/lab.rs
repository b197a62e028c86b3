//! The lab: a Debian with podman, CRIU and three file systems of its own, in
//! namespaces and cgroups of its own.
//!
//! ```text
//! Lab::open     host tools, cache folder: lock, debian/, btrfs.img xfs.img ext4.img; cgroups
//! Lab::command  setpriv --pdeathsig ─ unshare ─ xtask lab-join ─ unshare --cgroup ─ xtask lab-init ─ CMD
//! drop          waits until the loop devices are gone, removes the cgroups
//! ```
//!
//! Everything is mounted inside the private mount namespace, so it goes with
//! the last process even if all of them are killed; only cgroups stay behind
//! then, and the next lab removes those.

mod busybox;
mod cgroups;
mod configuration;
mod debian;
mod entry;
mod file_system;
mod host;
mod images;
mod init;
mod mounts;
mod shell;
mod signals;

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::cargo::Workspace;
use cgroups::LabGroups;
pub(crate) use cgroups::on_host as cgroups_on_host;
pub(crate) use entry::{EntrySpec, join};
pub(crate) use file_system::FileSystem;
pub(crate) use host::{install_missing, is_root};
use images::Images;
pub(crate) use init::init;

/// The exit code of a lab that could not be entered, as podman and docker use it.
pub(crate) const EXIT_NOT_ENTERED: u8 = 125;

/// Sparse files: only what is written takes space.
pub(crate) const DEFAULT_IMAGE_GIB: u64 = 50;

#[derive(Args, Clone, Debug)]
pub(crate) struct LabOptions {
    /// The file system that holds podman's storage; all three are at /mnt/NAME
    #[arg(long, value_enum, default_value_t = FileSystem::Btrfs)]
    pub(crate) fs: FileSystem,
    /// Make the file systems anew first
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Take the release build of `ckpt` that is there, if any, instead of building it
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Size of the file systems that are made, in GiB; CKPT_LAB_IMAGE_GB goes before
    #[arg(long, value_name = "GIB", default_value_t = DEFAULT_IMAGE_GIB)]
    pub(crate) image_gib: u64,
    /// Keep the host's page cache from holding the file systems a second time, where it can be done without: they are as on a disk then
    #[arg(long)]
    pub(crate) direct_io: bool,
}

/// An opened lab. It is the only one of its cache folder until it is dropped.
pub(crate) struct Lab {
    spec: EntrySpec,
    groups: LabGroups,
    _lock: File,
}

impl Lab {
    /// Makes what is missing on this host, and waits for another lab to end.
    ///
    /// # Errors
    /// Not root; a package, the Debian folder or a file system cannot be made;
    /// `ckpt` does not build.
    pub(crate) fn open(options: &LabOptions) -> Result<Self> {
        host::require_root()?;
        ensure!(!signals::interrupted(), "ended by a signal");
        let workspace = Workspace::locate()?;
        if !options.no_build {
            workspace.build_ckpt()?;
        }
        let cache = cache_folder()?;
        let lock = lock(&cache)?;
        host::install_missing_tools()?;
        debian::make_unless_current(&cache)?;
        let images = Images::new(&cache);
        images.wait_until_free()?;
        images.make(options.fresh, options.image_gib)?;
        let groups = LabGroups::create()?;
        signals::hold(&groups);
        Ok(Self {
            spec: EntrySpec::new(images, (options.fs, options.direct_io), &workspace, &groups)?,
            groups,
            _lock: lock,
        })
    }

    /// A command inside the lab: add arguments, environment and stdio, then start it.
    ///
    /// Commands of one lab run one after the other; each has new namespaces,
    /// the files stay. It must be started by a thread that outlives it: the
    /// kernel kills the lab when the thread that started it ends.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.spec.command(program.as_ref())
    }

    /// Starts `command` and waits for its end and for that of all it left behind.
    pub(crate) fn run(&self, command: &mut Command) -> Result<ExitStatus> {
        let status = command.status().context("cannot enter the lab")?;
        self.spec.images.wait_until_free()?;
        Ok(status)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let left = [self.spec.images.wait_until_free(), self.groups.remove()];
        signals::release();
        for error in left.into_iter().filter_map(Result::err) {
            eprintln!("xtask: the lab left something behind: {error:#}");
        }
    }
}

/// What a shell would say: the exit code, or 128 + the signal.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// The variable that names the cache folder.
pub(crate) const CACHE_VARIABLE: &str = "CKPT_LAB_CACHE";

/// Where the Debian folder and the images are kept.
pub(crate) fn cache_path() -> PathBuf {
    env::var_os(CACHE_VARIABLE).map_or_else(|| "/var/cache/ckpt-lab".into(), PathBuf::from)
}

fn cache_folder() -> Result<PathBuf> {
    let folder = cache_path();
    fs::create_dir_all(&folder)
        .and_then(|()| fs::canonicalize(&folder))
        .with_context(|| format!("cannot make the lab's cache folder {}", folder.display()))
}

fn lock(cache: &Path) -> Result<File> {
    let path = cache.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => {
            eprintln!("xtask: waiting for another lab to end ({})", path.display());
            flock(&file, FlockOperation::LockExclusive)
        }
        other => other,
    }
    .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
