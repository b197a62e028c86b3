//! New volumes made old ones, for podman.
//!
//! podman fills an empty volume from the image when it first mounts it, and gives its root owner and mode of the
//! directory below when a container with it is set up. That it has done so it notes, and never does it again. The
//! volumes of a restore are new: what a container has emptied would be full again, and what it had given away would be
//! root's, at once or at the next start.
//!
//! No command of podman makes that note alone. So it is given a container that has the volumes over folders with one
//! file each, and a runtime that is none: podman fills the volumes, notes it, cannot run the container, and removes it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::child::ChildError;
use crate::engine::Engine;
use crate::recovery::journal::Begun;

/// The one file.
const SEED: &str = "ckpt-seed";

/// Why podman will take a volume for a new one.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettleError {
    #[error("{}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Podman(#[from] ChildError),
    #[error("podman has not filled it: {message}")]
    NotFilled { message: String },
}

/// Has podman fill `volumes`, which are empty, and empties them again.
pub(super) fn settle(engine: &dyn Engine, begun: &Begun, volumes: &[(String, PathBuf)]) -> Result<(), SettleError> {
    let root = begun.session.join("settle");
    for (name, _) in volumes {
        let below = root.join(name);
        DirBuilder::new().recursive(true).mode(0o700).create(&below).map_err(failed(&below))?;
        File::create_new(below.join(SEED)).map_err(failed(&below))?;
    }
    let no_runtime = root.join(SEED);
    File::create_new(&no_runtime).map_err(failed(&no_runtime))?;
    let names: Vec<&str> = volumes.iter().map(|(name, _)| &name[..]).collect();
    let said = engine.settle_volumes(&begun.helper(), &root, &no_runtime, &names)?;
    for (_, data) in volumes {
        match fs::remove_file(data.join(SEED)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(SettleError::NotFilled { message: said.last_words() });
            }
            removed => removed.map_err(failed(data))?,
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SettleError + use<> {
    let path = path.to_owned();
    move |source| SettleError::Io { path, source }
}
