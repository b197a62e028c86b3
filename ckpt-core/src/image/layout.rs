//! A folder of images, as skopeo, podman, buildah and umoci read and write it.
//!
//! ```text
//! oci-layout              {"imageLayoutVersion": "1.0.0"}
//! index.json              tags, and the manifests that they lead to
//! blobs/sha256/HEX        everything, each file named by its digest
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aligntar::UnchangedSince;
use ckpt_images::document::{DOCUMENT_MAX, Descriptor, Document, INDEX, Index, REF_NAME};
use ckpt_images::{Digest, Hasher, LayoutRef};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use serde::{Deserialize, Serialize};

use super::error::ImageError;
use crate::host::interrupt::{Interrupt, interrupted, is_interrupted};
use crate::host::output::Output;

const VERSION: &str = "1.0.0";
/// What is digested at a time, bytes.
const CHUNK: usize = 256 << 10;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

/// A folder of images.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
    /// For messages.
    image: String,
}

impl Layout {
    /// Makes the folder, unless it is there.
    pub(crate) fn create(image: &LayoutRef) -> Result<Self, ImageError> {
        let layout = Layout { folder: image.folder.clone(), image: image.to_string() };
        let is_new = match layout.folder.read_dir() {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(source) => return Err(layout.io("open", &layout.folder, source)),
        };
        if !is_new {
            layout.check()?;
        }
        let blobs = layout.folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|source| layout.io("make", &blobs, source))?;
        if is_new {
            let file = LayoutFile { image_layout_version: VERSION.to_owned() };
            layout.write("oci-layout", &serde_json::to_vec(&file).expect("a version is JSON"))?;
        }
        Ok(layout)
    }

    /// A folder that is there.
    pub(crate) fn open(image: &LayoutRef) -> Result<Self, ImageError> {
        let layout = Layout { folder: image.folder.clone(), image: image.to_string() };
        layout.check()?;
        Ok(layout)
    }

    fn check(&self) -> Result<(), ImageError> {
        let no_layout = |why| ImageError::NoLayout { folder: self.folder.clone(), why };
        if !self.folder.is_dir() {
            return Err(no_layout("there is no such folder"));
        }
        let path = self.folder.join("oci-layout");
        if !path.exists() {
            return Err(no_layout("it has no file oci-layout"));
        }
        let file: LayoutFile =
            serde_json::from_slice(&self.read(&path)?).map_err(|_| no_layout("its oci-layout is not understood"))?;
        match file.image_layout_version.starts_with("1.") {
            true => Ok(()),
            false => Err(no_layout("its oci-layout is of another version than 1")),
        }
    }

    /// The manifest or index that a tag leads to.
    pub(crate) fn find(&self, tag: Option<&str>) -> Result<Descriptor, ImageError> {
        let index = self.index()?;
        let ref_name = |image: &Descriptor| image.annotations.get(REF_NAME).cloned();
        let tags = || index.manifests.iter().filter_map(ref_name).collect();
        let folder = || self.folder.clone();
        match tag {
            Some(tag) => {
                let found = index.manifests.iter().find(|image| ref_name(image).as_deref() == Some(tag));
                found.cloned().ok_or_else(|| ImageError::NoTag { folder: folder(), tag: tag.to_owned(), tags: tags() })
            }
            None => match &index.manifests[..] {
                [only] => Ok(only.clone()),
                several => Err(ImageError::Several { folder: folder(), count: several.len(), tags: tags() }),
            },
        }
    }

    fn index(&self) -> Result<Index, ImageError> {
        let path = self.folder.join("index.json");
        if !path.exists() {
            return Ok(Index::of(Vec::new(), Default::default()));
        }
        let document = |source| ImageError::Document { image: self.image.clone(), what: "index.json", source };
        match Document::read(&self.read(&path)?, INDEX).map_err(document)? {
            Document::Index(index) => Ok(index),
            Document::Manifest(_) => {
                Err(ImageError::NoLayout { folder: self.folder.clone(), why: "its index.json is no index" })
            }
        }
    }

    /// Has `image` be what its tag leads to. Others may do the same to other tags meanwhile.
    pub(crate) fn tag(&self, tag: &str, mut image: Descriptor) -> Result<(), ImageError> {
        let folder = File::open(&self.folder).map_err(|source| self.io("open", &self.folder, source))?;
        flock(&folder, FlockOperation::LockExclusive).map_err(|errno| self.io("lock", &self.folder, errno.into()))?;
        let mut index = self.index()?;
        image.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
        index.manifests.retain(|other| other.annotations.get(REF_NAME).is_none_or(|other| other != tag));
        index.manifests.push(image);
        index.schema_version = 2;
        INDEX.clone_into(&mut index.media_type);
        self.write("index.json", &serde_json::to_vec(&index).expect("an index is JSON"))
    }

    /// A blob in the making.
    pub(crate) fn draft(&self) -> Result<Output, ImageError> {
        Ok(Output::create(&self.folder.join("blobs/sha256/draft"))?)
    }

    /// Gives a blob its name. One that is there already is replaced: it may be damaged.
    pub(crate) fn name(&self, draft: Output, digest: &Digest) -> Result<(), ImageError> {
        Ok(draft.renamed(OsStr::new(digest.hex()))?.publish()?)
    }

    /// Writes a small blob.
    pub(crate) fn put(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, ImageError> {
        let blob = Descriptor::of(media_type, bytes);
        self.write(&format!("blobs/sha256/{}", blob.digest.hex()), bytes)?;
        Ok(blob)
    }

    /// A small blob whose digest is right.
    pub(crate) fn small_blob(&self, blob: &Descriptor, what: &'static str) -> Result<Vec<u8>, ImageError> {
        let bytes = self.read(&self.blob_path(blob))?;
        let (expected, found) = (blob.digest.clone(), Digest::of(&bytes));
        match expected == found {
            true => Ok(bytes),
            false => Err(ImageError::Damaged { image: self.image.clone(), what, expected, found }),
        }
    }

    /// The file of a blob, of the right length. Its digest is still to be checked.
    pub(crate) fn blob(&self, blob: &Descriptor, what: &'static str) -> Result<File, ImageError> {
        let path = self.blob_path(blob);
        let file = self.open_file(&path)?;
        let found = file.metadata().map_err(|source| self.io("stat", &path, source))?.len();
        match found == blob.size {
            true => Ok(file),
            false => Err(ImageError::Length { image: self.image.clone(), what, expected: blob.size, found }),
        }
    }

    fn blob_path(&self, blob: &Descriptor) -> PathBuf {
        self.folder.join("blobs/sha256").join(blob.digest.hex())
    }

    /// Neither a link out of the folder, nor what could be waited for.
    fn open_file(&self, path: &Path) -> Result<File, ImageError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = open(path, flags, Mode::empty()).map_err(|errno| self.io("open", path, errno.into()))?.into();
        match file.metadata() {
            Ok(metadata) if metadata.is_file() => Ok(file),
            Ok(_) => Err(self.io("open", path, io::Error::other("it is no regular file"))),
            Err(source) => Err(self.io("stat", path, source)),
        }
    }

    /// All of a small file.
    fn read(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        let read = self.open_file(path)?.take(DOCUMENT_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|source| self.io("read", path, source))?;
        match bytes.len() as u64 > DOCUMENT_MAX {
            true => Err(self.io("read", path, io::Error::other("it is too large for a document of an image"))),
            false => Ok(bytes),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
        let path = self.folder.join(OsStr::from_bytes(name.as_bytes()));
        let output = Output::create(&path)?;
        output.file().write_all(bytes).map_err(|source| self.io("write", &path, source))?;
        Ok(output.publish()?)
    }

    fn io(&self, call: &'static str, path: &Path, source: io::Error) -> ImageError {
        ImageError::Io { call, path: path.to_owned(), source }
    }
}

/// Digests all of a file; `read` is told how far it is.
pub(crate) fn digest(
    mut file: &File,
    interrupt: Option<&Interrupt>,
    read: &mut dyn FnMut(u64),
) -> io::Result<(Digest, u64)> {
    use std::io::Seek;
    file.rewind()?;
    let (mut hasher, mut chunk, mut done) = (Hasher::default(), vec![0; CHUNK], 0);
    loop {
        let len = file.read(&mut chunk)?;
        if len == 0 {
            file.rewind()?;
            return Ok(hasher.finish());
        }
        if interrupt.is_some_and(Interrupt::is_raised) {
            return Err(interrupted());
        }
        hasher.update(&chunk[..len]);
        done += len as u64;
        read(done);
    }
}

/// Digests `copy`, which was made of `original` after that was seen in the state `before`. The pages of the original may be
/// in memory, and those of a clone never are; so the original is read, unless it may have changed since.
pub(crate) fn digest_of_copy(
    original: (&File, Option<UnchangedSince>),
    copy: &File,
    interrupt: Option<&Interrupt>,
    read: &mut dyn FnMut(u64),
) -> io::Result<(Digest, u64)> {
    if let (original, Some(before)) = original {
        let digested = digest(original, interrupt, read)?;
        if before.is_true_of(original) {
            return Ok(digested);
        }
    }
    digest(copy, interrupt, read)
}

/// What such an error is to who reads it.
pub(crate) fn digest_error(path: &Path, source: io::Error) -> ImageError {
    match is_interrupted(&source) {
        true => ImageError::Interrupted,
        false => ImageError::Io { call: "read", path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ckpt_images::document::MANIFEST;
    use std::os::unix::fs::symlink;

    fn layout(folder: &Path) -> (Layout, LayoutRef) {
        let image = LayoutRef { folder: folder.join("images"), tag: None };
        (Layout::create(&image).unwrap(), image)
    }

    #[test]
    fn tags_lead_to_the_last_image_of_that_name() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (layout, image) = layout(folder.path());
        let [one, two] = ["{\"x\":1}", "{}"].map(|text| layout.put(MANIFEST, text.as_bytes()).unwrap());
        layout.tag("a", one.clone()).unwrap();
        assert_eq!(Layout::open(&image).unwrap().find(None).unwrap().digest, one.digest);
        layout.tag("b", one).unwrap();
        layout.tag("a", two.clone()).unwrap();
        assert_eq!(layout.find(Some("a")).unwrap().digest, two.digest);
        assert!(matches!(layout.find(None), Err(ImageError::Several { count: 2, .. })));
        let missing = layout.find(Some("c")).unwrap_err().to_string();
        assert!(missing.ends_with("has no image \"c\"; it has b, a"), "{missing}");
    }

    #[test]
    fn links_and_wrong_content_are_no_blobs() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let (layout, _) = layout(folder.path());
        let blob = layout.put(MANIFEST, b"{}").unwrap();
        let path = layout.blob_path(&blob);
        fs::write(&path, b"[]").unwrap();
        assert!(matches!(layout.small_blob(&blob, "manifest"), Err(ImageError::Damaged { .. })));
        fs::write(&path, b"{ }").unwrap();
        assert!(matches!(layout.blob(&blob, "layer"), Err(ImageError::Length { found: 3, .. })));
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(layout.blob(&blob, "layer"), Err(ImageError::Io { call: "open", .. })));
    }

    #[test]
    fn a_folder_of_something_else_is_left_alone() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        fs::write(folder.path().join("precious"), "").unwrap();
        let image = LayoutRef { folder: folder.path().to_owned(), tag: None };
        assert!(matches!(Layout::create(&image), Err(ImageError::NoLayout { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
