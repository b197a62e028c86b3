//! Makes a container's root read-only, as `podman run --read-only` has it: CRIU brings back how what lies below is
//! mounted, but not the root itself, which is mounted for it.

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::{MountFlags, mount_remount};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::programs::{self, ProgramError};

/// `argv[0]` of this program where it is to do that.
pub(crate) const CALLED_AS: &str = "ckpt-read-only";

/// Why the root is not read-only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadOnlyError {
    #[error(transparent)]
    Start(#[from] ProgramError),
    #[error("remount the root: {words}")]
    Remount { words: String },
}

/// Does it for the container whose first process is `init`, in a process of its own: a thread of this one could not enter
/// the other mount namespace (setns(2)).
pub(crate) fn make_root(init: u32) -> Result<(), ReadOnlyError> {
    let mut command = Command::new("/proc/self/exe");
    let output = programs::run(command.arg0(CALLED_AS).arg(init.to_string()), None)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(ReadOnlyError::Remount { words: String::from_utf8_lossy(&output.stderr).trim().to_owned() }),
    }
}

/// What this program does as that process; gives its exit status.
pub(crate) fn remount() -> u8 {
    let init = env::args().nth(1).unwrap_or_default();
    match remount_root_of(&init) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}

fn remount_root_of(init: &str) -> io::Result<()> {
    let namespace = File::open(format!("/proc/{init}/ns/mnt"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
    // What is not said again would be gone.
    let flags = statvfs("/")?.f_flag;
    let kept = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    ];
    let kept = kept.into_iter().filter(|(is, _)| flags.contains(*is)).map(|(_, flag)| flag);
    let flags = kept.fold(MountFlags::BIND | MountFlags::RDONLY, |flags, flag| flags | flag);
    Ok(mount_remount("/", flags, "")?)
}
