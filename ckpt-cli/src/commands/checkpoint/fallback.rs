//! `--fallback`: podman makes the archive of one container.

use std::error::Error;
use std::fs::File;
use std::io::{self, stdout};
use std::os::fd::AsFd;
use std::path::Path;
use std::slice;

use anyhow::{Context, Result};
use ckpt_core::checkpoint::{CheckpointOptions, Export, check_cgroup};
use ckpt_core::compression::Compression;
use ckpt_core::containers;
use ckpt_core::passthrough::Said;

use crate::podman::{self, CommandLine};
use crate::spool;

/// Has podman do what `options` ask for, with the switches of `command`.
pub(super) fn checkpoint(command: CommandLine, options: &CheckpointOptions, why: &dyn Error) -> Result<Said> {
    let container = &options.container;
    check_cgroup(container, options.interrupt.as_ref())?;
    let folder = spool::folder();
    let nameless = tempfile::tempfile_in(&folder).with_context(|| format!("create a file in {}", folder.display()))?;
    let path = match &options.export {
        Export::File(path) => path.clone(),
        Export::Folder(folder) => {
            let name = containers::named(container, options.interrupt.as_ref())?.name;
            folder.join(format!("{name}.tar{}", options.compress.ending()))
        }
        Export::Stdout | Export::Nameless | Export::Sink(_) | Export::Opened(_) => podman::path_of(&nameless),
    };
    let command = to_file(command, options.compress, &path).operands(slice::from_ref(container));
    let said = podman::fall_back(why, &command, options.interrupt.as_ref())?;
    if said.status.success() && matches!(options.export, Export::Stdout) {
        send(&nameless).with_context(|| sent_nowhere(container))?;
    }
    Ok(said)
}

/// Names the archive and its compression: podman's default is another one than ours.
pub(super) fn to_file(command: CommandLine, compression: Compression, path: &Path) -> CommandLine {
    let compression = match compression {
        Compression::None => "none",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    command.values("compress", [compression]).values("export", [path])
}

fn send(archive: &File) -> io::Result<()> {
    let stdout = stdout().as_fd().try_clone_to_owned()?;
    io::copy(&mut File::open(podman::path_of(archive))?, &mut File::from(stdout)).map(drop)
}

fn sent_nowhere(name: &str) -> String {
    format!(
        "write the archive of {name:?} to standard output; podman has stopped the container, unless told otherwise, and \
         `podman container restore {name}` brings it back"
    )
}
