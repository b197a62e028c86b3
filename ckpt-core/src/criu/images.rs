//! CRIU's images in an archive: they are read there, and unpacked nowhere.

use std::sync::Arc;

use aligntar::Kind;
use criu_images::{Image, Images};

use crate::archive::{CHECKPOINT, CheckpointArchive};

/// The images in `archive`, by their names in CRIU's directory; none if its file cannot be held on to.
pub(crate) fn images_in(archive: &CheckpointArchive) -> Images {
    let mut images = Images::default();
    let Ok(file) = archive.file().try_clone().map(Arc::new) else { return images };
    for entry in archive.entries() {
        let name = entry.member.path.strip_prefix(CHECKPOINT.as_bytes()).and_then(|path| path.strip_prefix(b"/"));
        if let (Some(name), Kind::Regular { size }) = (name, &entry.member.kind) {
            let name = String::from_utf8_lossy(name).into_owned();
            images.insert(name, Image::new(Arc::clone(&file), entry.data_offset, *size));
        }
    }
    images
}
