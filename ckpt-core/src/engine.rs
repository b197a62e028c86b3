//! The engine that runs containers, and the values in which it is asked and answers. podman is the one there is.
//!
//! ```text
//! interface ── requests ── facts ── error      the trait, and what it speaks in
//!     │
//!   podman                                     the one engine
//!     │
//! storage, cgroup, versions, diagnosis         what is known of its containers without asking it again
//! ```

pub(crate) mod cgroup;
pub(crate) mod diagnosis;
mod error;
mod facts;
pub(crate) mod freeze_group;
mod interface;
mod podman;
mod requests;
pub(crate) mod storage;
pub(crate) mod versions;
pub(crate) mod words;

pub use error::EngineError;
pub(crate) use facts::{ContainerFacts, HostPort, Mount, SecretFacts, StoreFacts, bundle};
pub(crate) use interface::Engine;
pub(crate) use podman::Podman;
pub(crate) use requests::{DumpRequest, RestoreRequest, TakenAlong};
