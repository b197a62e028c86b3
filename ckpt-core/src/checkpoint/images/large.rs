//! Large images, memory pages above all, kept out of podman's export: gigabytes that it would stream only to be thrown
//! away.
//!
//! podman packs `checkpoint/`, and of a symbolic link tar holds nothing but its target. CRIU follows links when it opens
//! an image. So for the time of the export each large image is a link to itself under another name:
//!
//! ```text
//! userdata/checkpoint/pages-1.img ──> ../pre-checkpoint/ckpt-pages-1.img     (the file, by a second hard link)
//! ```
//!
//! Every step is one link(2) or rename(2), so at any moment `checkpoint/` leads to all pages: killed in between, the
//! container is restored by podman as ever, which removes both folders then (`restore` in libpod's
//! container_internal_common.go). The next checkpoint puts back what is left of a run that was killed.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::error::ImagesError;
use crate::archive::CHECKPOINT;

/// podman's folder for the pages of an earlier dump, next to `checkpoint/`.
const PRE_CHECKPOINT: &str = "pre-checkpoint";
/// What distinguishes our names in there from CRIU's.
const OURS: &[u8] = b"ckpt-";
/// A link on its way to its name.
const UNFINISHED: &str = ".ckpt-link";

/// Smaller images are streamed faster than they are moved.
const LARGE: u64 = 1 << 20;

/// Large images under a second name; put back when dropped.
#[derive(Debug)]
pub(super) struct LargeImages {
    images: PathBuf,
    /// The folder that has them meanwhile; none where nothing is large.
    folder: Option<PathBuf>,
}

impl LargeImages {
    /// Moves the large ones of `names` out of podman's folder `images`; none if that is another folder than `checkpoint/`.
    pub(super) fn move_out<'n>(images: &Path, names: impl Iterator<Item = &'n [u8]>) -> Result<Self, ImagesError> {
        let mut large = LargeImages { images: images.to_owned(), folder: None };
        if images.file_name() != Some(OsStr::new(CHECKPOINT)) {
            return Ok(large);
        }
        for name in names {
            let path = images.join(OsStr::from_bytes(name));
            let metadata = path.symlink_metadata().map_err(|source| ImagesError::new("stat", &path, source))?;
            if metadata.is_file() && metadata.len() >= LARGE {
                let folder = large.folder.get_or_insert_with(|| images.with_file_name(PRE_CHECKPOINT));
                move_and_link(&path, &folder.join(second_name(name)))
                    .map_err(|source| ImagesError::new("move", &path, source))?;
            }
        }
        Ok(large)
    }

    /// The folder that has the images which were moved out; none where nothing is large.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// The name that the image `name` has in that folder; `None` if it was not moved out.
    pub(super) fn name_of(&self, name: &[u8]) -> Option<OsString> {
        let stored = second_name(name);
        self.folder.as_ref()?.join(&stored).exists().then_some(stored)
    }
}

impl Drop for LargeImages {
    fn drop(&mut self) {
        // A link still leads to what stays there, and the next run puts it back.
        let _ = put_back(&self.images);
    }
}

fn second_name(name: &[u8]) -> OsString {
    OsString::from_vec([OURS, name].concat())
}

fn move_and_link(image: &Path, second: &Path) -> io::Result<()> {
    let folder = second.parent().expect("the name was joined to a folder");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    fs::hard_link(image, second)?;
    let target = Path::new("..").join(PRE_CHECKPOINT).join(second.file_name().expect("it was joined"));
    let link = image.with_file_name(UNFINISHED);
    symlink(target, &link)?;
    fs::rename(&link, image)
}

/// Puts images that were moved out back into `images`, and removes what else a killed run left.
pub(in crate::checkpoint) fn put_back(images: &Path) -> io::Result<()> {
    let folder = images.with_file_name(PRE_CHECKPOINT);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let second = entry?.path();
        if let Some(name) = second.file_name().and_then(|name| name.as_bytes().strip_prefix(OURS)) {
            put_one_back(&images.join(OsStr::from_bytes(name)), &second)?;
        }
    }
    ignore(fs::remove_file(images.join(UNFINISHED)), ErrorKind::NotFound)?;
    // It stays if podman has something in it.
    ignore(fs::remove_dir(&folder), ErrorKind::DirectoryNotEmpty)
}

fn put_one_back(image: &Path, second: &Path) -> io::Result<()> {
    match image.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => fs::rename(second, image),
        // Killed before the link was in place.
        Ok(_) => fs::remove_file(second),
        // podman has removed the images meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => fs::remove_file(second),
        Err(error) => Err(error),
    }
}

fn ignore(result: io::Result<()>, kind: ErrorKind) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use tempfile::TempDir;

    const NAME: &str = "pages-1.img";

    /// A bundle with a large image; gives it and the folder of the images.
    fn bundle() -> (TempDir, PathBuf) {
        let bundle = tempfile::tempdir().unwrap();
        let images = bundle.path().join(CHECKPOINT);
        fs::create_dir(&images).unwrap();
        fs::write(images.join(NAME), vec![1; LARGE as usize]).unwrap();
        fs::write(images.join("small.img"), "small").unwrap();
        (bundle, images)
    }

    fn moved_out(images: &Path) -> LargeImages {
        LargeImages::move_out(images, [NAME.as_bytes(), b"small.img"].into_iter()).unwrap()
    }

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn large_images_become_links_and_come_back() {
        let (bundle, images) = bundle();
        let inode = images.join(NAME).metadata().unwrap().ino();
        let large = moved_out(&images);
        assert!(images.join(NAME).is_symlink() && !images.join("small.img").is_symlink());
        assert_eq!(images.join(NAME).metadata().unwrap().ino(), inode, "the link leads to the image");
        assert_eq!(large.name_of(NAME.as_bytes()), Some("ckpt-pages-1.img".into()));
        assert_eq!(large.name_of(b"small.img"), None);
        drop(large);
        assert_eq!(images.join(NAME).symlink_metadata().unwrap().ino(), inode);
        assert_eq!((entries(&images), entries(bundle.path())), (2, 1));
    }

    #[test]
    fn what_a_killed_run_left_is_put_right() {
        let (bundle, images) = bundle();
        let folder = bundle.path().join(PRE_CHECKPOINT);
        // After the hard link, after the symbolic link, after the rename.
        for step in 1..=3 {
            std::mem::forget(moved_out(&images));
            if step < 3 {
                fs::remove_file(images.join(NAME)).unwrap();
                fs::hard_link(folder.join("ckpt-pages-1.img"), images.join(NAME)).unwrap();
            }
            if step == 2 {
                symlink("anywhere", images.join(UNFINISHED)).unwrap();
            }
            put_back(&images).unwrap();
            assert_eq!(images.join(NAME).symlink_metadata().unwrap().len(), LARGE, "step {step}");
            assert_eq!((entries(&images), entries(bundle.path())), (2, 1), "step {step}");
        }
        put_back(&images).unwrap();
    }

    #[test]
    fn what_podman_removed_stays_removed_and_its_own_pages_stay() {
        let (_bundle, images) = bundle();
        std::mem::forget(moved_out(&images));
        fs::remove_dir_all(&images).unwrap();
        let theirs = images.with_file_name(PRE_CHECKPOINT).join(NAME);
        fs::write(&theirs, "of an earlier dump").unwrap();
        put_back(&images).unwrap();
        assert_eq!(entries(&images.with_file_name(PRE_CHECKPOINT)), 1);
        assert!(theirs.exists() && !images.exists());
    }
}
