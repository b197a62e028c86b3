//! CRIU's images. They no longer change once the dump is done, so they go into the archive while the tasks end, or run
//! again.

mod error;
mod large;
mod writeback;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aligntar::{PackOptions, Packer, Writer};

use crate::archive::{CGROUP_IMAGE, CHECKPOINT, limits};
use crate::progress::Progress;
pub use error::ImagesError;
use large::LargeImages;
pub(super) use large::put_back;
pub(super) use writeback::ImagesWriteback;

/// The images of one dump. The large ones are in another folder for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Images {
    folder: PathBuf,
    /// In byte order.
    names: BTreeSet<Vec<u8>>,
    disk_bytes: u64,
    large: LargeImages,
}

impl Images {
    /// Lists what CRIU has written to `folder`, and moves the large ones out: podman exports links to them instead.
    pub(crate) fn of_dump(folder: &Path) -> Result<Self, ImagesError> {
        // CRIU may name the folder by a descriptor in /proc.
        let folder = folder.canonicalize().map_err(|source| ImagesError::new("resolve", folder, source))?;
        let error = |source| ImagesError::new("read the images in", &folder, source);
        let (mut names, mut disk_bytes, mut path_bytes) = (BTreeSet::new(), 0, 0);
        for entry in fs::read_dir(&folder).map_err(error)? {
            let entry = entry.map_err(error)?;
            let (metadata, name) = (entry.metadata().map_err(error)?, entry.file_name().into_vec());
            disk_bytes += metadata.blocks() * 512;
            path_bytes += CHECKPOINT.len() + 1 + name.len();
            if name == CGROUP_IMAGE.as_bytes() {
                limits::cgroup_image(metadata.len())?;
            }
            names.insert(name);
        }
        limits::images(names.len(), path_bytes)?;
        let large = LargeImages::move_out(&folder, names.iter().map(|name| name.as_slice()))?;
        Ok(Images { folder, names, disk_bytes, large })
    }

    /// Space that the images take, and their copies would.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.disk_bytes
    }

    /// Appends the folder and its images, by podman's names.
    pub(crate) fn append_to(&self, writer: &mut Writer<'_>, progress: &mut dyn Progress) -> Result<(), ImagesError> {
        let open = |path: &Path| File::open(path).map_err(|source| ImagesError::new("open", path, source));
        let (folder, large) = (open(&self.folder)?, self.large.folder().map(open).transpose()?);
        let mut report = |path: &[u8], moved| progress.member(path, moved);
        let mut packer = Packer::new(writer, PackOptions::default(), &mut report);
        packer.pack_one(&folder, ".".as_ref(), CHECKPOINT.into())?;
        for name in &self.names {
            let (parent, stored) = match (&large, self.large.name_of(name)) {
                (Some(large), Some(stored)) => (large, stored),
                _ => (&folder, OsString::from_vec(name.clone())),
            };
            packer.pack_one(parent, &stored, [CHECKPOINT.as_bytes(), b"/", name].concat())?;
        }
        Ok(())
    }

    /// Whether the member `path` is one of the images, or their folder.
    pub(crate) fn has_member(&self, path: &[u8]) -> bool {
        match path.strip_prefix(CHECKPOINT.as_bytes()) {
            Some([b'/', name @ ..]) => self.names.contains(name),
            rest => rest.is_some_and(<[u8]>::is_empty),
        }
    }
}

/// Removes what earlier dumps of a container that runs again have left in `folder`. CRIU writes over images of the same
/// name only; a restore would read the others as well, and may fail over them.
pub(super) fn clear(folder: &Path) -> Result<(), ImagesError> {
    let error = |source| ImagesError::new("clear earlier images from", folder, source);
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(error)?,
    };
    for entry in entries {
        fs::remove_file(entry.map_err(error)?.path()).map_err(error)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use aligntar::{EndMarker, FileSource, Limits, Reader, WriteOptions};

    #[test]
    fn pages_are_taken_from_where_they_were_moved() {
        let bundle = tempfile::tempdir().unwrap();
        let folder = bundle.path().join(CHECKPOINT);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("inventory.img"), "small").unwrap();
        fs::write(folder.join("pages-1.img"), vec![7; 2_000_000]).unwrap();
        let images = Images::of_dump(&folder).unwrap();
        assert!(folder.join("pages-1.img").is_symlink() && images.disk_bytes() >= 2_000_000);
        let archive = tempfile::tempfile().unwrap();
        let mut writer = Writer::new(&archive, WriteOptions::default()).unwrap();
        images.append_to(&mut writer, &mut Silent).unwrap();
        writer.finish().unwrap();
        drop(images);
        assert!(!folder.join("pages-1.img").is_symlink());

        let source = FileSource::new(&archive).unwrap();
        let reader = Reader::new(source, Limits::default()).with_end_marker(EndMarker::Required);
        let found: Vec<_> =
            reader.map(|entry| entry.unwrap().member).map(|member| (member.size(), member.path)).collect();
        let expected = [(0, "checkpoint"), (5, "checkpoint/inventory.img"), (2_000_000, "checkpoint/pages-1.img")];
        assert_eq!(found, expected.map(|(size, path)| (size, path.as_bytes().to_vec())));
    }

    #[test]
    fn images_that_a_restore_would_refuse_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = File::create(folder.path().join("cgroup.img")).unwrap();
        image.set_len(16 << 20).unwrap();
        Images::of_dump(folder.path()).unwrap();
        image.set_len((16 << 20) + 1).unwrap();
        assert!(matches!(Images::of_dump(folder.path()), Err(ImagesError::Oversize(_))));
    }

    #[test]
    fn earlier_images_are_cleared() {
        let bundle = tempfile::tempdir().unwrap();
        let folder = bundle.path().join(CHECKPOINT);
        clear(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("core-7.img"), "of a process that is gone").unwrap();
        std::os::unix::fs::symlink("../pre-checkpoint", folder.join("parent")).unwrap();
        clear(&folder).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn only_listed_images_are_members() {
        let bundle = tempfile::tempdir().unwrap();
        let folder = bundle.path().join(CHECKPOINT);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("core-1.img"), "x").unwrap();
        let images = Images::of_dump(&folder).unwrap();
        let cases =
            [("checkpoint", true), ("checkpoint/core-1.img", true), ("checkpoint/new", false), ("checkpoints", false)];
        for (path, known) in cases {
            assert_eq!(images.has_member(path.as_bytes()), known, "{path}");
        }
    }
}
