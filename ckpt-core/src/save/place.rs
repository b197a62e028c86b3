//! Where a save goes, and what it is called.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::SaveError;
use super::options::{NOTE_BYTES, SaveOptions};
use crate::archive::manifest::ManifestSave;
use crate::store::{ContainerLock, Store, Tag};

/// Where a save goes.
pub(crate) struct Place<'p> {
    pub(crate) store: &'p Store,
    /// The container's in the store.
    pub(crate) folder: &'p Path,
    /// The container's.
    pub(crate) name: &'p str,
    /// Nobody else makes one now.
    pub(crate) _lock: ContainerLock,
}

/// Where the next save goes, and what it is.
pub(super) fn next(place: &Place<'_>, options: &SaveOptions) -> Result<(PathBuf, ManifestSave), SaveError> {
    let bytes = options.note.len();
    if bytes > NOTE_BYTES {
        return Err(SaveError::LongNote { bytes });
    }
    let sequence = place.store.history(place.name)?.next_sequence();
    let id = random_id().map_err(SaveError::Random)?;
    let path = place.folder.join(file_name(sequence, Timestamp::now(), &id));
    let tags = options.tags.iter().map(Tag::to_string).collect();
    Ok((path, ManifestSave { id, sequence, tags, note: options.note.clone() }))
}

/// For people who list the folder: they stand in their order there.
fn file_name(sequence: u64, now: Timestamp, id: &str) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("{sequence:06}-{time}-{}.tar", &id[..8])
}

/// 16 hexadecimal digits.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_order() {
        let now: Timestamp = "2026-11-29T09:31:55.7Z".parse().unwrap();
        assert_eq!(file_name(7, now, "0123456789abcdef"), "000007-20261129T093155Z-01234567.tar");
    }
}
