//! Serves the memory of processes that CRIU restores with `lazy-pages`. Whichever of its processes is killed, no page is wrong.
//!
//! CRIU can restore processes without most of their memory: a server gives each page when a thread waits for it, and
//! brings the rest meanwhile. This crate is such a server, in the place of `criu lazy-pages`. It reads out of CRIU's
//! images wherever they lie in open files, as in a tar archive, and needs no podman, no terminal and no other program.
//!
//! ```
//! use criu_pages::{Checkpoint, Image, Images, PageServer, State};
//! use std::fs::File;
//! use std::sync::Arc;
//!
//! # let folder = tempfile::tempdir()?;
//! # let archive = folder.path().join("archive.tar");
//! # // One process, without memory, behind other bytes.
//! # std::fs::write(&archive, [&[0; 512][..], b"\x19\x43\x56\x54\x30\x30\x27\x50\x02\0\0\0\x08\x01"].concat())?;
//! let archive = Arc::new(File::open(archive)?);
//! let mut images = Images::default();
//! images.insert("pstree.img", Image::new(archive, 512, 14));
//! // … and pagemap-PID.img, mm-PID.img and pages-N.img, or all of a directory: `Images::in_directory`.
//! let checkpoint = Checkpoint::read(&images)?;
//!
//! // CRIU looks for the server in its working directory.
//! let status = folder.path().join("lazy-pages.status");
//! let serving = PageServer::new(checkpoint, folder.path(), &status).start()?;
//! assert_eq!(serving.status().read()?.state, State::Listening);
//!
//! // Here CRIU is started, with `--lazy-pages` or the line `lazy-pages` in its configuration. This one never is.
//! assert_eq!(serving.abandon()?.state, State::Abandoned);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A restore
//!
//! 1. [`Checkpoint::read`] says what may come later, or that the images cannot be served from.
//! 2. [`PageServer::start`] listens at [`SOCKET_NAME`] in CRIU's working directory, and leaves two processes behind.
//! 3. CRIU is started, with `lazy-pages`. It connects and hands over a userfaultfd for each process.
//! 4. In CRIU's action script at `post-restore`, [`StatusFile`] says [`State::Held`]. If it says anything else, the
//!    script must fail, and CRIU undoes the restore. (At `pre-resume` CRIU goes on whatever the script says.)
//! 5. The processes run; [`Status`] says how much has come. [`StatusFile::wait`] comes back when all has.
//!
//! # Never a wrong page
//!
//! When the last descriptor of a userfaultfd is closed, the kernel gives its process zeros for pages that have not come,
//! and tells nobody. So:
//!
//! - Three processes, server, keeper and one in reserve, share one table of descriptors: what one holds, all hold. Server
//!   and keeper each wait for the other's end and make another at once. The one in reserve makes both anew when both are
//!   dead: they can be killed at once, or one right after the other.
//! - The kernel writes what processes do to their mappings into memory that both see. The next server goes on from there;
//!   for pages that came before, the kernel answers that they are there.
//! - What cannot be put right (an image that cannot be read, no memory, a protocol that is not CRIU's) first kills the
//!   processes, waits until they are dead, and only then lets go of their memory. The reason is in the status file and
//!   in the system's log.
//! - If all three are killed at once, the kernel kills the restored processes in the same moment, before it gives up
//!   their memory: they own the end of a pipe, with SIGKILL as its signal (see `src/fuse.rs`). It does not kill the first
//!   process of a PID namespace, as a container's is, nor what was forked since the restore: **those read zeros then**.
//!   CRIU, if it is not done yet, may wait forever for a process that was killed so: whoever started it must end it when
//!   the status is [`State::Lost`].
//!
//! # What cannot be known
//!
//! The kernel tells of changes in the order in which threads come to tell it. Where the order matters and is not known,
//! as when one thread unmaps what another fills at that moment, and a thread then waits for such a page, the processes
//! are killed; no program was seen that does so. It does not tell of MADV_WIPEONFORK (but for mappings that were marked
//! so in the checkpoint) and MADV_GUARD_INSTALL.
//!
//! # Needs
//!
//! Linux 5.13 or later with userfaultfd, and the right to use it for other processes' system calls (root, or
//! `vm.unprivileged_userfaultfd`); CRIU 4.1 or later. Tried with CRIU 4.1.1 on Linux 6.18.

mod answer;
mod checkpoint;
mod criu_message;
mod deliver;
mod failure;
mod fuse;
mod journal;
mod keeper;
mod kill;
mod memory;
mod page_server;
mod readers;
mod reserve;
mod restorer;
mod runs;
mod server;
mod setup;
mod shared;
mod space;
mod status;
mod sys;
mod worker;

pub use checkpoint::Checkpoint;
pub use criu_images::{Image, ImageError, Images};
pub use page_server::{PageServer, SOCKET_NAME, Serving, StartError};
pub use status::{State, Status, StatusFile};

/// The example on the first page of the package works.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
