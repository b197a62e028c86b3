//! Reads CRIU's images as values, wherever they lie in open files, and trusts none of them.
//!
//! ```
//! use criu_images::{Image, Images, PstreeEntry};
//! use std::fs::File;
//! use std::sync::Arc;
//!
//! # let folder = tempfile::tempdir()?;
//! # let archive = folder.path().join("archive.tar");
//! # std::fs::write(&archive, [&[0; 512][..], b"\x19\x43\x56\x54\x30\x30\x27\x50\x02\0\0\0\x08\x01"].concat())?;
//! // 14 bytes from the middle of a file, such as a member of a tar archive.
//! let archive = Arc::new(File::open(archive)?);
//! let mut images = Images::default();
//! images.insert("pstree.img", Image::new(archive, 512, 14));
//! let tasks = images.messages::<PstreeEntry>("pstree.img")?.iter().collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(tasks[0].pid, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `image` | images as pieces of open files |
//! | `framing` | the messages in an image's bytes |
//! | `messages` | what CRIU's messages hold |
//! | `message_image` | an image of messages of one kind, by its name |
//! | `page_map` | which pages a process has, and where their bytes lie |

mod framing;
mod image;
mod image_error;
mod message_image;
mod messages;
mod page_map;

pub use framing::{FramingError, Messages, framed};
pub use image::{Image, Images, Piece};
pub use image_error::ImageError;
pub use message_image::MessageImage;
pub use messages::*;
pub use page_map::{PageMap, Pages};

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
