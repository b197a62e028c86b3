//! `fork`: running copies of a running container, out of one moment of it.
//!
//! ```text
//! checkpoint, left running ─ an archive without a name, beside the storage ─ copies ─ the archive is gone
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use aligntar::ClonePolicy;

use crate::checkpoint::{CheckpointError, CheckpointOptions, CheckpointReport, Compression, Export, checkpoint_open};
use crate::host::interrupt::Interrupt;
use crate::restore::copies::{self, CopiesOptions, CopiesProgress, CopiesReport, restore_copies};
use crate::restore::{Import, Lazy, RestoreError, RestoreOptions};

/// What to fork, and into what.
#[derive(Clone, Debug)]
pub struct ForkOptions {
    /// Name or ID of a running container.
    pub container: String,
    /// Where the archive is kept; by default it gets no name, and is gone with the last copy that reads it. It is one that
    /// podman restores as well, so a container with established TCP connections is refused then, unless they are taken along.
    pub keep: Option<Export>,
    /// Compression of one that is kept.
    pub compress: Compression,
    /// The copies.
    pub copies: CopiesOptions,
    /// Whether they run before their memory is there.
    pub lazy: Lazy,
    /// Take established TCP connections along, as far as both ends are in the container: a copy has another address.
    pub tcp_established: bool,
    /// Take file locks along.
    pub file_locks: bool,
    /// Go on with a podman that was never tried.
    pub force: bool,
    /// Whether data may, or must, be cloned.
    pub clone_policy: ClonePolicy,
    /// Stops the work: copies that are ready stay, the others are removed.
    pub interrupt: Option<Interrupt>,
}

/// What a fork did.
#[derive(Clone, Debug)]
pub struct ForkReport {
    /// Of the one moment.
    pub checkpoint: CheckpointReport,
    /// Of the copies.
    pub copies: CopiesReport,
}

/// Why there are no copies.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// The moment could not be taken; it says whether the container runs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No copy could be begun; the container runs on.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}

/// Makes running copies of a running container, which runs on.
///
/// Established TCP connections stay with the container; in the copies they are closed, unless they are to go on there.
///
/// # Errors
/// [`ForkError`]; of single copies `progress` is told.
pub fn fork(options: &ForkOptions, progress: &mut dyn CopiesProgress) -> Result<ForkReport, ForkError> {
    copies::check(&options.copies, &options.container)?;
    let (checkpoint, archive) = checkpoint_open(&checkpoint_options(options), progress)?;
    let (name, has_path) = match &options.keep {
        Some(Export::File(path)) => (path.clone(), true),
        _ => (PathBuf::from(&options.container), false),
    };
    let import = Import::Opened { file: Arc::new(archive), name, has_path };
    let copies = restore_copies(&restore_options(options, import), &options.copies, progress)?;
    Ok(ForkReport { checkpoint, copies })
}

fn checkpoint_options(options: &ForkOptions) -> CheckpointOptions {
    CheckpointOptions {
        container: options.container.clone(),
        export: options.keep.clone().unwrap_or(Export::Nameless),
        leave_running: true,
        compress: options.compress,
        // It is noted in the images, and podman 5.4 restores none of these.
        tcp_close: options.keep.is_none() && !options.tcp_established,
        tcp_established: options.tcp_established,
        file_locks: options.file_locks,
        force: options.force,
        clone_policy: options.clone_policy,
        interrupt: options.interrupt.clone(),
        ..CheckpointOptions::default()
    }
}

fn restore_options(options: &ForkOptions, import: Import) -> RestoreOptions {
    RestoreOptions {
        import,
        lazy: options.lazy,
        tcp_established: options.tcp_established,
        file_locks: options.file_locks,
        // It was made here and now.
        trust: true,
        force: options.force,
        clone_policy: options.clone_policy,
        interrupt: options.interrupt.clone(),
        ..RestoreOptions::default()
    }
}
