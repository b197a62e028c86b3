//! Reads podman's own export. Its metadata goes into the archive, which has everything else already.

use std::io::BufReader;

use aligntar::{EndMarker, Limits, Reader, StreamSource, Writer};

use super::error::DumpError;
use super::images::Images;
use crate::archive::{CONFIG_DUMP, DELETED_FILES, DEVSHM, LOG, ROOTFS_DIFF, SPEC_DUMP, VOLUMES, limits};
use crate::host::interrupt::is_interrupted;
use crate::host::pipe::Incoming;

/// Takes podman's metadata out of its export, and reads it to the end whatever happens: a closed FIFO would make
/// podman fail after it has stopped the container. Only a podman that stands still is not waited for once an interrupt
/// is raised.
pub(super) fn export(stream: Incoming<'_>, images: Option<&Images>, writer: &mut Writer<'_>) -> Result<(), DumpError> {
    let source = StreamSource::new(BufReader::with_capacity(1 << 20, stream));
    let mut reader = Reader::new(source, Limits::default()).with_end_marker(EndMarker::Required);
    let taken = take_metadata(&mut reader, images, writer);
    let drained = reader.into_source().drain();
    match drained {
        Err(error) if is_interrupted(&error) => Err(DumpError::Interrupted),
        drained => taken.and(drained.map_err(DumpError::Drain)),
    }
}

fn take_metadata(
    reader: &mut Reader<StreamSource<BufReader<Incoming<'_>>>>,
    images: Option<&Images>,
    writer: &mut Writer<'_>,
) -> Result<(), DumpError> {
    while let Some(entry) = reader.next_entry()? {
        let path = &entry.member.path[..];
        // The log grows again before podman exports it, if the container is left running.
        let taken_before = [DEVSHM, ROOTFS_DIFF, DELETED_FILES, LOG].iter().any(|taken| path == taken.as_bytes())
            || path.starts_with(VOLUMES.as_bytes())
            || images.is_none_or(|images| images.has_member(path));
        if !taken_before {
            if [CONFIG_DUMP, SPEC_DUMP].iter().any(|dump| path == dump.as_bytes()) {
                limits::dump(&String::from_utf8_lossy(path), entry.member.size())?;
            }
            writer.append_entry_from(&entry, reader.source_mut())?;
        }
    }
    Ok(())
}
