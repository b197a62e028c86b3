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
//! | what `ckpt --url` asks for | `protocol`, `descriptors`; `command` has a `worker` do it, with a `terminal`; `task` in that; `client` |
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
mod client;
mod command;
mod connection;
mod descriptors;
mod export;
mod import;
mod listen;
mod metrics;
mod note;
mod operations;
mod outcome;
mod protocol;
mod proxy;
mod query;
mod relay;
mod restore;
mod server;
mod service;
mod sys;
mod task;
mod terminal;
mod upstream;
mod wire;
mod worker;

pub use client::{ClientError, Listener, command};
pub use listen::ListenError;
pub use outcome::Outcome;
pub use protocol::{MOST_DESCRIPTORS, Request, Terminal};
pub use server::{ServeError, ServeOptions, serve};
pub use task::{Client, Task, TaskError};
pub use upstream::UpstreamError;
