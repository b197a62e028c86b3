//! What podman, skopeo and buildah are told about registries, read from the same files: see containers-registries.conf(5),
//! containers-auth.json(5), containers-certs.d(5).

mod certificates;
mod credentials;
mod registries;

use std::env;
use std::io;
use std::path::{Path, PathBuf};

pub use certificates::Certificates;
pub use credentials::Credentials;
pub use registries::{Endpoint, Registries};

/// Why a file of settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{} is not understood: {why}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Why, in one line; the parser's own words draw a picture.
        why: String,
    },
    /// It is no JSON.
    #[error("{} is not understood", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It holds no certificate, or no key.
    #[error("{} holds no {what} in PEM", path.display())]
    NoPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// A certificate comes without its key, or a key without its certificate.
    #[error("{} needs {} beside it", path.display(), missing.display())]
    NoPair {
        /// The one that is there.
        path: PathBuf,
        /// The one that is not.
        missing: PathBuf,
    },
    /// A credential helper failed.
    #[error("docker-credential-{helper} does not tell the password for {host}: {said}")]
    Helper {
        /// Its name.
        helper: String,
        /// The registry.
        host: String,
        /// Its words.
        said: String,
    },
    /// The administrator does not want this registry.
    #[error("{name} is blocked in {}", path.display())]
    Blocked {
        /// The image.
        name: String,
        /// Who says so.
        path: PathBuf,
    },
}

/// A user's folder of settings: `$XDG_CONFIG_HOME`, by default `~/.config`.
fn config_home() -> Option<PathBuf> {
    let of_xdg = env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    of_xdg.or_else(|| Some(home()?.join(".config")))
}

fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// What is in the file; `None` if it is not there.
fn read_optional(path: &Path) -> Result<Option<Vec<u8>>, SettingsError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(SettingsError::Read { path: path.to_owned(), source }),
    }
}

/// Files in `folder` whose names end like that, sorted; none if there is no such folder.
fn files_in(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, SettingsError> {
    let read_error = |source| SettingsError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(read_error(source)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(read_error)?.path();
        let is_one =
            path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending));
        if is_one {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
