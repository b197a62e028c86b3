//! The store: the archives that `save` makes, a folder for each container.
//!
//! ```text
//! STORE/                     0700
//!   web/                     0700, after the container's name
//!     000007-20261129T093155Z-1f2e3d4c.tar      an archive, whole, 0600; its name is for people
//!     .index.json            what the archives say of themselves; made anew if it is lost
//!     .lock                  locked while a save or a rollback of the container is under way
//! ```
//!
//! What an archive is in the history, its manifest says (`ckpt.json`): ID, number, tags, note. So an archive may get
//! another name, or come from another store, and one that is removed by hand is gone from the history.
//!
//! | module | what it is for |
//! |---|---|
//! | `location`, `configuration` | where the store is |
//! | `history`, `saved`, `index` | the archives of a container |
//! | `spec`, `tag` | what people call them |
//! | `occupied` | the space that they take |
//! | `lock` | who works on a container's archives |

mod configuration;
mod error;
mod history;
mod index;
mod location;
mod lock;
mod occupied;
mod saved;
mod spec;
mod tag;

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

pub use configuration::{Configuration, Retention};
pub use error::StoreError;
pub use history::{History, Problem, ProblemError};
pub use lock::Reading;
pub(crate) use lock::{ContainerLock, remove_unless_read};
pub(crate) use occupied::{Blocks, occupied_alone};
pub use saved::{Memory, Saved};
pub use spec::{SaveSpec, Which};
pub use tag::Tag;

/// A folder of archives that are one history for each container.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// Write permission of the group and of all others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

impl Store {
    /// The store in `folder`, or else where the configuration has it, or else beside podman's storage. It need not be
    /// there yet.
    ///
    /// # Errors
    /// [`StoreError`]: where others could put archives into it among others.
    pub fn find(folder: Option<&Path>) -> Result<Self, StoreError> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => match Configuration::read()?.store {
                Some(folder) => folder,
                None => location::beside_the_storage()?,
            },
        };
        let store = Store { folder };
        match fs::metadata(&store.folder) {
            Ok(metadata) => check_owner(&store.folder, &metadata)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::io("look at", &store.folder, source)),
        }
        Ok(store)
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Names of the containers that have archives, or had some, in their order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn containers(&self) -> Result<Vec<String>, StoreError> {
        let failed = |source| StoreError::io("read", &self.folder, source);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // Not through links, and no other names than podman gives.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            names
                .extend(entry.file_name().into_string().ok().filter(|name| is_folder && spec::is_container_name(name)));
        }
        names.sort();
        Ok(names)
    }

    /// The archives of the container called `name`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn history(&self, name: &str) -> Result<History, StoreError> {
        let folder = self.folder_of(name)?;
        match fs::symlink_metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => {
                check_owner(&folder, &metadata)?;
                history::read(&folder, name)
            }
            Ok(_) => Err(StoreError::io("read", &folder, io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(History::empty(&folder, name)),
            Err(source) => Err(StoreError::io("look at", &folder, source)),
        }
    }

    /// The archive of the save that `spec` names, held so that nobody removes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&self, spec: &SaveSpec) -> Result<(Saved, Reading), StoreError> {
        let history = self.history(&spec.container)?;
        let saved = history.find(&spec.which)?;
        let reading = Reading::begin(&history.path_of(saved))?;
        Ok((saved.clone(), reading))
    }

    /// The folder of a container's archives, which is there then.
    pub(crate) fn make_folder_of(&self, name: &str) -> Result<PathBuf, StoreError> {
        let folder = self.folder_of(name)?;
        let mut new = DirBuilder::new();
        new.recursive(true).mode(0o700).create(&folder).map_err(|source| StoreError::io("make", &folder, source))?;
        let metadata = fs::symlink_metadata(&folder).map_err(|source| StoreError::io("look at", &folder, source))?;
        if !metadata.is_dir() {
            return Err(StoreError::io("use", &folder, io::ErrorKind::NotADirectory.into()));
        }
        check_owner(&folder, &metadata)?;
        Ok(folder)
    }

    fn folder_of(&self, name: &str) -> Result<PathBuf, StoreError> {
        match spec::is_container_name(name) {
            true => Ok(self.folder.join(name)),
            false => Err(StoreError::NoName { name: name.to_owned() }),
        }
    }
}

/// Whoever may write in it may have an archive restored as root.
fn check_owner(folder: &Path, metadata: &Metadata) -> Result<(), StoreError> {
    let owners = [0, rustix::process::geteuid().as_raw()];
    if !metadata.is_dir() {
        return Err(StoreError::io("use", folder, io::ErrorKind::NotADirectory.into()));
    }
    if !owners.contains(&metadata.uid()) || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(StoreError::Open {
            folder: folder.to_owned(),
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn containers_are_folders_whose_names_podman_could_have_given() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::find(Some(folder.path())).unwrap();
        for name in ["web", "db.1", ".hidden", "a b", "-x"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("file"), "").unwrap();
        symlink("web", folder.path().join("link")).unwrap();
        assert_eq!(store.containers().unwrap(), ["db.1", "web"]);
        assert!(store.history("link").is_err());
        for name in ["", "..", "a/b", ".hidden"] {
            assert!(matches!(store.history(name), Err(StoreError::NoName { .. })), "{name}");
        }
        assert!(store.history("never-saved").unwrap().saves().is_empty());
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_no_store() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(Store::find(Some(folder.path())), Err(StoreError::Open { mode: 0o770, .. })));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::find(Some(folder.path())).unwrap();
        let made = store.make_folder_of("web").unwrap();
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o7777, 0o700);
        fs::set_permissions(&made, fs::Permissions::from_mode(0o707)).unwrap();
        assert!(store.make_folder_of("web").is_err() && store.history("web").is_err());
    }

    #[test]
    fn a_store_that_is_not_there_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::find(Some(&folder.path().join("a/b"))).unwrap();
        assert!(store.containers().unwrap().is_empty());
    }
}
