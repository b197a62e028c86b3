//! Which configuration files count, in which order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::error::StorageConfError;

/// Looks up an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The folders configuration files are looked for in.
pub(super) struct SearchPath {
    /// The distribution's, of least weight.
    vendor: PathBuf,
    /// The administrator's.
    admin: PathBuf,
}

const MAIN_FILE: &str = "storage.conf";
/// In each folder, in this order.
const DROP_IN_FOLDERS: [&str; 2] = ["storage.conf.d", "storage.rootful.conf.d"];
const ENV_MAIN_FILE: &str = "CONTAINERS_STORAGE_CONF";
const ENV_OVERRIDE: &str = "CONTAINERS_STORAGE_CONF_OVERRIDE";

impl Default for SearchPath {
    fn default() -> Self {
        Self::in_folders("/usr/share/containers".into(), "/etc/containers".into())
    }
}

impl SearchPath {
    pub(super) fn in_folders(vendor: PathBuf, admin: PathBuf) -> Self {
        Self { vendor, admin }
    }

    /// The files to read, the ones of least weight first.
    pub(super) fn files(&self, env: Environment<'_>) -> Result<Vec<PathBuf>, StorageConfError> {
        let mut files = match env(ENV_MAIN_FILE) {
            Some(path) => vec![path.into()],
            None => {
                let mut files: Vec<_> = self.main_file().into_iter().collect();
                files.extend(self.drop_ins()?.into_values());
                files
            }
        };
        files.extend(env(ENV_OVERRIDE).map(PathBuf::from));
        Ok(files)
    }

    /// The first that is there; an unreadable one is not skipped.
    fn main_file(&self) -> Option<PathBuf> {
        let mut candidates = [&self.admin, &self.vendor].into_iter().map(|folder| folder.join(MAIN_FILE));
        candidates.find(|path| !matches!(path.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound))
    }

    /// Drop-ins by file name; of two with the same name the one of more weight.
    fn drop_ins(&self) -> Result<BTreeMap<OsString, PathBuf>, StorageConfError> {
        let mut found = BTreeMap::new();
        for folder in [&self.vendor, &self.admin] {
            for name in DROP_IN_FOLDERS {
                let folder = folder.join(name);
                list_drop_ins(&folder, &mut found).map_err(|source| StorageConfError::List { path: folder, source })?;
            }
        }
        Ok(found)
    }
}

fn list_drop_ins(folder: &Path, found: &mut BTreeMap<OsString, PathBuf>) -> io::Result<()> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_file() && path.extension().is_some_and(|extension| extension == "conf") {
            found.insert(entry.file_name(), path);
        }
    }
    Ok(())
}
