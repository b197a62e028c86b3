//! The container's root filesystem between overlay and archive: a diff becomes members, members become an upperdir.
//!
//! | of a diff | is in the archive |
//! |---|---|
//! | files, directories, links, devices, FIFOs | a member of `rootfs-diff.tar` |
//! | deletions | a string of `deleted.files`, which podman reads too; in `ckpt.json` if the path is not UTF-8 |
//! | sockets, for which tar has no typeflag | in `ckpt.json`, see [`Socket`] |
//!
//! That is podman's [`Form`]. An archive of the changes alone can have two others, in which the members are the files
//! themselves, and deletions are members too.

mod capture;
mod extract;
mod flat;
mod form;
mod kept_xattrs;
mod note;
mod podman_form;
mod reserved;
mod scan;
mod sockets;

pub use crate::archive::supplement::{ManifestRootfs, Socket, Supplement};
pub use capture::{CaptureError, capture_diff, capture_in_motion};
pub(crate) use capture::{CapturedTree, capture_file_optional, capture_some, capture_tree, diff_members};
pub use extract::{ExtractError, extract_diff};
pub(crate) use extract::{extract_tree, shift_ids};
pub(crate) use flat::{Marks, append_flat};
pub use form::Form;
pub(crate) use podman_form::append_in_podmans_form;
pub(crate) use scan::Scan;
pub use scan::ScanError;
