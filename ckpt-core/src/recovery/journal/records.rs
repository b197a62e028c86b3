//! The lines of a journal.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What a restore is about to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// The container's name.
    pub(crate) name: String,
    /// Its ID; older versions did not know that of a container with a new name.
    pub(crate) id: Option<String>,
    /// Whether nobody else knows that ID, since this run made it up.
    #[serde(default)]
    pub(crate) has_new_id: bool,
    /// Volumes that are not there yet.
    pub(crate) volumes: Vec<String>,
    /// Whether podman makes volumes of its own with the container, and removes them with it.
    #[serde(default)]
    pub(crate) anonymous_volumes: bool,
    /// Networks in which podman leases addresses for it.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
    /// The folder of its session, which podman's arguments name.
    pub(crate) session: PathBuf,
}

impl Begun {
    /// Name of a container that has the volumes for a moment and never runs (`restore/used_volumes.rs`). One of a killed run has
    /// to be removed before them.
    pub(crate) fn helper(&self) -> String {
        format!("ckpt-volumes-{}", self.session.file_name().unwrap_or_default().to_string_lossy())
    }
}

/// A container that podman has made for this run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Made {
    #[serde(rename = "made")]
    pub(super) id: String,
    /// Its layer, which podman named by lot; older versions did not note it.
    #[serde(default)]
    pub(super) layer: Option<String>,
}

/// The folder of a volume's data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Folder {
    pub(super) volume: String,
    inode: u64,
    born: SystemTime,
}

impl Folder {
    pub(super) fn of(volume: &str, data: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(data)?;
        Ok(Folder { volume: volume.to_owned(), inode: metadata.ino(), born: metadata.created()? })
    }
}

/// `value` as a line of its own.
pub(in crate::recovery) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("a journal is JSON");
    line.push(b'\n');
    line
}

/// What the `text` of a journal says in its first line; `None` if that was not written to its end.
pub(in crate::recovery) fn begun_in(text: &str) -> Option<Begun> {
    serde_json::from_str(text.lines().next()?).ok()
}
