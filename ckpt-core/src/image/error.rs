//! Why an image cannot be made or used.

use std::io;
use std::path::PathBuf;

use aligntar::{ReadError, TransferError, WriteError};
use ckpt_images::{Digest, RegistryError};

use crate::archive::ArchiveError;
use crate::host::output::OutputError;

/// Why an image cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A registry, or this host's settings for it.
    #[error("{image}")]
    Registry {
        /// The image.
        image: String,
        /// What went wrong.
        #[source]
        source: RegistryError,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file that is made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file of a folder of images.
    #[error("{call} {}", path.display())]
    Io {
        /// What was tried.
        call: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The folder holds no images.
    #[error("{} is no folder of OCI images: {why}", folder.display())]
    NoLayout {
        /// The folder.
        folder: PathBuf,
        /// What tells.
        why: &'static str,
    },
    /// The folder has no image of that tag.
    #[error("{} has no image {tag:?}{}", folder.display(), has(tags))]
    NoTag {
        /// The folder.
        folder: PathBuf,
        /// The tag.
        tag: String,
        /// Those that it has.
        tags: Vec<String>,
    },
    /// Without a tag, it has to be the only one.
    #[error("{} has {count} images: say which one{}", folder.display(), has(tags))]
    Several {
        /// The folder.
        folder: PathBuf,
        /// How many.
        count: usize,
        /// Those with a name.
        tags: Vec<String>,
    },
    /// A document is no JSON of an image.
    #[error("{image}: its {what} is not understood")]
    Document {
        /// The image.
        image: String,
        /// Which document.
        what: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is something else than a checkpoint.
    #[error("{image} is no checkpoint: {why}")]
    NotACheckpoint {
        /// The image.
        image: String,
        /// What tells.
        why: String,
    },
    /// Something is damaged, or not what was asked for.
    #[error("{image}: its {what} is damaged: the digest is {found}, and should be {expected}. Nothing of it was used")]
    Damaged {
        /// The image.
        image: String,
        /// What.
        what: &'static str,
        /// The digest that was expected.
        expected: Digest,
        /// That of what is there.
        found: Digest,
    },
    /// A blob is not as long as it should be.
    #[error("{image}: its {what} has {found} bytes, and should have {expected}. Nothing of it was used")]
    Length {
        /// The image.
        image: String,
        /// What.
        what: &'static str,
        /// The length that was expected, bytes.
        expected: u64,
        /// That of what is there.
        found: u64,
    },
    /// A push needs a name that can be given.
    #[error("{image} names an image by its digest: push to a tag, NAME:TAG")]
    PushToDigest {
        /// The image.
        image: String,
    },
    /// A layout's image needs a tag.
    #[error("{image} has no tag: push to oci:DIR:TAG")]
    PushWithoutTag {
        /// The image.
        image: String,
    },
    /// The layer cannot be read to its end as an archive.
    #[error("{image}: its layer")]
    Layer {
        /// The image.
        image: String,
        /// Where and why.
        #[source]
        source: ReadError,
    },
    /// The archive cannot be written.
    #[error("write the archive")]
    Write(#[from] WriteError),
    /// The archive's bytes cannot be moved.
    #[error("copy the archive")]
    Move(#[from] TransferError),
    /// It is not wanted any more.
    #[error("interrupted")]
    Interrupted,
}

/// A few names, as a part of a sentence.
fn has(tags: &[String]) -> String {
    match tags {
        [] => String::new(),
        _ => format!("; it has {}", tags.iter().take(5).cloned().collect::<Vec<_>>().join(", ")),
    }
}
