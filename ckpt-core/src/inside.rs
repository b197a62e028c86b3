//! What goes on in a container: its processes, what they have open, what is mounted, what limits them.
//!
//! The values are the same wherever they come from:
//!
//! | of | read from | by |
//! |---|---|---|
//! | a checkpoint | CRIU's images, in place in the archive | `images` |
//! | a container that runs | /proc | `living` |

mod error;
pub(crate) mod images;
mod limit;
pub(crate) mod living;
mod mount;
mod namespace;
mod open_file;
mod process;
mod sections;
mod socket;
mod statistics;
mod tree;

use schemars::JsonSchema;
use serde::Serialize;

pub use error::InsideError;
pub use limit::Limit;
pub(crate) use mount::MountsOfSpec;
pub use mount::{ConfiguredMount, MountPoint, Mounts};
pub use namespace::Namespace;
pub use open_file::{Access, Descriptor, OpenFile};
pub use process::{Credentials, MappedKind, Memory, MemoryKind, Process, ProcessState, Thread};
pub use sections::Sections;
pub use socket::{Endpoint, InetFamily, InetSocket, SocketState, SocketType, UnixSocket};
pub use statistics::{CriuStatistics, OwnStatistics, Statistics};

/// What goes on in a container; parts that were not asked for are none, and are not in its JSON.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Inside {
    /// Its processes, each before those below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<Process>>,
    /// Its mounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounts: Option<Mounts>,
    /// Its namespaces, and who is in which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<Namespace>>,
    /// What the checkpoint took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
}
