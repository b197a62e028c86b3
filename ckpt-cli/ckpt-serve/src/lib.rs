//! podman's own API on a socket for a group, with checkpoint and restore made fast: `ckpt serve`.
//!
//! ```text
//! client ── listen ── connection ─┬─ calls: checkpoint, restore ── ckpt-core on a thread of its own
//!                                 └─ proxy, relay ── upstream: podman's own service
//! ```
//!
//! | what | modules |
//! |---|---|
//! | the socket, and who may use it | `listen`, `caller` |
//! | one connection | `wire` under hyper, `connection`, `body` |
//! | what they share | `service`, `operations` |
//! | what is podman's | `upstream`, `proxy`, `relay` |
//! | what is ours | `calls`, `query`, `checkpoint`, `export`, `restore`, `import`, `answer` |
//! | what is noted and counted of it | `note`, `metrics`, `outcome` |
//!
//! The connections have one thread, with tokio. The verbs of `ckpt-core` know nothing of that: each runs on a thread of its own.
#![deny(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod body;
mod caller;
mod calls;
mod checkpoint;
mod connection;
mod export;
mod import;
mod listen;
mod metrics;
mod note;
mod operations;
mod outcome;
mod proxy;
mod query;
mod relay;
mod restore;
mod server;
mod service;
mod sys;
mod upstream;
mod wire;

pub use listen::ListenError;
pub use server::{ServeError, ServeOptions, serve};
pub use upstream::UpstreamError;
