//! CRIU: how it is configured, how it calls back, what it leaves behind when it is killed, and what its logs mean.
//! Nothing here knows an engine.

pub(crate) mod arrival;
pub(crate) mod configuration;
pub(crate) mod diagnosis;
pub(crate) mod hook;
mod lazy_request;
pub(crate) mod link_remaps;
pub(crate) mod mount_points;
pub(crate) mod orphans;
pub(crate) mod page_server;
pub(crate) mod prefreeze;
pub(crate) mod processes;
pub(crate) mod watched;
