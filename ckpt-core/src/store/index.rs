//! The index of a container's archives: what each said when it was last read. It is a cache, believed only of a file
//! that has not changed since.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use serde::{Deserialize, Serialize};

use super::saved::Saved;
use crate::host::output::{Output, OutputError};

const NAME: &str = ".index.json";

/// Of what another version wrote, nothing is believed.
const VERSION: u32 = 1;

/// Of a longer file, nothing is read, bytes; an archive has some 400 in it.
const LONGEST: u64 = 256 << 20;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    version: u32,
    archives: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    identity: Identity,
    saved: Saved,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Identity { inode: metadata.ino(), bytes: metadata.len(), modified }
    }
}

impl Index {
    /// That of `folder`; an empty one where it is lost or damaged.
    pub(super) fn read(folder: &Path) -> Self {
        let read = || -> io::Result<Index> {
            let mut text = Vec::new();
            // Nobody is waited for who was to write to a FIFO.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let file = File::from(open(folder.join(NAME), flags, Mode::empty())?);
            if !file.metadata()?.is_file() {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            file.take(LONGEST).read_to_end(&mut text)?;
            Ok(serde_json::from_slice(&text)?)
        };
        read().ok().filter(|index| index.version == VERSION).unwrap_or_default()
    }

    /// Of each archive what it says, by its name.
    pub(super) fn into_known(self) -> HashMap<std::path::PathBuf, (Identity, Saved)> {
        self.archives.into_iter().map(|line| (line.saved.file.0.clone(), (line.identity, line.saved))).collect()
    }

    /// Replaces that of `folder` by one of these `archives`. Killed over it, the older one stays.
    pub(super) fn write<'s>(
        folder: &Path,
        archives: impl Iterator<Item = (Identity, &'s Saved)>,
    ) -> Result<(), OutputError> {
        let archives = archives.map(|(identity, saved)| Line { identity, saved: saved.clone() }).collect();
        let path = folder.join(NAME);
        let output = Output::create(&path)?;
        let mut writer = BufWriter::new(output.file());
        let written =
            serde_json::to_writer(&mut writer, &Index { version: VERSION, archives }).map_err(io::Error::from);
        let written = written.and_then(|()| writer.flush());
        written.map_err(|source| OutputError::Call { call: "write", path, source })?;
        drop(writer);
        output.publish_unsynced()
    }
}
