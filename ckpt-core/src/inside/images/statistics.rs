//! What the checkpoint took, as those who made it noted.

use criu_images::StatsEntry;

use crate::archive::manifest::Manifest;
use crate::archive::{CheckpointArchive, MANIFEST, STATS_DUMP};
use crate::inside::error::InsideError;
use crate::inside::statistics::{CriuStatistics, OwnStatistics, Statistics};

pub(super) fn read(archive: &CheckpointArchive) -> Result<Statistics, InsideError> {
    let criu = match archive.bytes(STATS_DUMP)? {
        Some(bytes) => StatsEntry::read(&bytes).map_err(InsideError::Statistics)?.dump.map(|dump| CriuStatistics {
            freezing_us: dump.freezing_time.into(),
            frozen_us: dump.frozen_time.into(),
            memdump_us: dump.memdump_time.into(),
            memwrite_us: dump.memwrite_time.into(),
            pages_scanned: dump.pages_scanned,
            pages_skipped_parent: dump.pages_skipped_parent,
            pages_written: dump.pages_written,
            pages_lazy: dump.pages_lazy,
        }),
        None => None,
    };
    let ckpt = archive.json::<Manifest>(MANIFEST)?.map(|manifest| OwnStatistics {
        frozen_us: manifest.frozen_us,
        members: manifest.members,
        cloned_bytes: manifest.cloned_bytes,
        copied_bytes: manifest.copied_bytes,
        hole_bytes: manifest.hole_bytes,
    });
    Ok(Statistics { criu, ckpt })
}
