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
        Export::Lent(loan) => podman::path_of(loan.file()),
        Export::Stdout | Export::Pipe(_) | Export::Nameless | Export::Sink(_) => podman::path_of(&nameless),
    };
    let command = to_file(command, options.compress, &path).operands(slice::from_ref(container));
    let said = podman::fall_back(why, &command, options.interrupt.as_ref())?;
    if said.status.success() {
        deliver(&nameless, options).with_context(|| sent_nowhere(container))?;
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

/// To where podman could not write it.
fn deliver(archive: &File, options: &CheckpointOptions) -> Result<()> {
    let target = match &options.export {
        Export::Stdout => File::from(stdout().as_fd().try_clone_to_owned()?),
        Export::Pipe(pipe) => pipe.try_clone()?,
        Export::Lent(loan) => {
            let name = containers::named(&options.container, options.interrupt.as_ref())?.name;
            return Ok(loan.give_back(&format!("{name}.tar{}", options.compress.ending()))?);
        }
        _ => return Ok(()),
    };
    io::copy(&mut File::open(podman::path_of(archive))?, &mut &target)?;
    Ok(())
}

fn sent_nowhere(name: &str) -> String {
    format!(
        "hand over the archive of {name:?}; podman has stopped the container, unless told otherwise, and \
         `podman container restore {name}` brings it back"
    )
}
