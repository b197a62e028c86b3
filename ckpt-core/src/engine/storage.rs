//! podman's storage on this host: where it is, and whether its files can be cloned.

mod database;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aligntar::{Alignment, ClonePolicy, Span, TransferError, transfer};
use layerfs::{ContainersStorage, ContainersStorageError, LayerDirError, Layers, StorageConf, StorageConfError};

use crate::engine::{ContainerFacts, Engine, EngineError, StoreFacts, bundle};

/// Why the container storage is of no use here.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Another storage driver than overlay.
    #[error("the storage driver is {driver}, only overlay has an upperdir to clone from")]
    Driver {
        /// As podman names it.
        driver: String,
    },
    /// The storage cannot be understood.
    #[error(transparent)]
    Store(#[from] ContainersStorageError),
    /// The configuration of the storage cannot be read.
    #[error(transparent)]
    Configuration(#[from] StorageConfError),
    /// podman was asked for the storage and gave no answer.
    #[error(transparent)]
    Podman(#[from] EngineError),
    /// A container that podman has is not in its storage.
    #[error("container {id} is in podman's database, but not in the storage at {}", graph_root.display())]
    NoContainer {
        /// The container's ID.
        id: String,
        /// Where it was looked for.
        graph_root: PathBuf,
    },
    /// The trial of a clone failed for another reason than "not supported".
    #[error("try a clone from {}", folder.display())]
    Trial {
        /// The source's folder.
        folder: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    /// Whether podman itself can work with this storage, or this podman, where this program cannot.
    pub(crate) fn is_podmans_alone(&self) -> bool {
        use ContainersStorageError::{Driver, Layers, MountProgram};
        match self {
            StorageError::Driver { .. } => true,
            StorageError::Store(error) => {
                matches!(error, Driver { .. } | MountProgram { .. } | Layers(LayerDirError::Composefs { .. }))
            }
            StorageError::Podman(error) => matches!(error, EngineError::Remote { .. }),
            StorageError::Configuration(_) | StorageError::NoContainer { .. } | StorageError::Trial { .. } => false,
        }
    }
}

/// The storage as storage.conf has it, which costs no call of podman.
pub(crate) fn configured() -> Option<ContainersStorage> {
    ContainersStorage::from_storage_conf().ok().filter(|storage| storage.graph_root().is_dir())
}

/// The storage that new containers go to: that of storage.conf, unless podman's database has it elsewhere.
pub(crate) fn of_host(engine: &dyn Engine) -> Result<ContainersStorage, StorageError> {
    if let Some(storage) = configured().filter(|storage| database::agrees(storage.graph_root(), storage.run_root())) {
        return match storage.check_driver() {
            Ok(()) | Err(ContainersStorageError::NoStore { .. }) => Ok(storage),
            Err(error) => Err(error.into()),
        };
    }
    let facts = engine.store()?;
    if facts.graph_driver_name != "overlay" {
        return Err(StorageError::Driver { driver: facts.graph_driver_name });
    }
    Ok(as_told(facts))
}

/// The storage that holds the container of `facts`, and its layers: that of storage.conf if podman has the container's
/// bundle there, and not another storage of which it is a copy, or that is a copy of it.
pub(crate) fn of_container(
    engine: &dyn Engine,
    facts: &ContainerFacts,
) -> Result<(ContainersStorage, Layers), StorageError> {
    if let Some(storage) = configured()
        && let Some(container) = storage.container(&facts.id)?
        && storage.userdata_dir(&container) == bundle(facts)
    {
        let layers = storage.layers_of_container(&container)?;
        return Ok((storage, layers));
    }
    let storage = as_told(engine.store()?);
    let (id, graph_root) = (facts.id.clone(), storage.graph_root().to_owned());
    let container = storage.container(&id)?.ok_or(StorageError::NoContainer { id, graph_root })?;
    let layers = storage.layers_of_container(&container)?;
    Ok((storage, layers))
}

/// Where podman says, and for the rest as in storage.conf.
fn as_told(StoreFacts { graph_root, run_root, .. }: StoreFacts) -> ContainersStorage {
    match ContainersStorage::from_storage_conf() {
        Ok(storage) => ContainersStorage::with_conf(StorageConf { graph_root, run_root, ..storage.conf().clone() }),
        Err(_) => ContainersStorage::new(graph_root, run_root),
    }
}

/// Whether files of `folder` can be cloned into `target`: tried with one block, not guessed from a name. The block is
/// overwritten by what is written to `target` afterwards.
pub(crate) fn can_clone(folder: &Path, target: &File) -> Result<bool, StorageError> {
    let trial = |source| StorageError::Trial { folder: folder.to_owned(), source };
    let source = tempfile::tempfile_in(folder).map_err(trial)?;
    can_clone_file(&source, target).map_err(trial)
}

/// As [`can_clone`], tried with the first block of `source`, which is overwritten.
pub(crate) fn can_clone_file(source: &File, target: &File) -> io::Result<bool> {
    let block = Alignment::of(target).unwrap_or(Alignment::DEFAULT);
    source.write_all_at(&vec![1; block.bytes() as usize], 0)?;
    let span = Span { source_offset: 0, target_offset: 0, length: block.bytes() };
    let cloned = transfer(source, target, span, block, ClonePolicy::Required);
    target.set_len(0)?;
    match cloned {
        Ok(_) => Ok(true),
        Err(TransferError::Clone { source, .. }) if io::Error::from(source).kind() == io::ErrorKind::StorageFull => {
            Err(source.into())
        }
        Err(_) => Ok(false),
    }
}
