//! CRIU: how it is configured, how it calls back, what it leaves behind when it is killed, and what its logs mean.
//! Nothing here knows an engine.
//!
//! | | modules |
//! |---|---|
//! | configure | `configuration`, `watched`: paths that CRIU cannot find itself, `lazy_request` |
//! | call back | `real_criu` is executed with our configuration; `hook` hears its script; `prefreeze` freezes the container's cgroup before CRIU does, and thaws it whatever dies |
//! | left by a killed CRIU | `orphans`, `link_remaps`, `mount_points`; `processes` tells whose a process is |
//! | memory that comes later | `page_server`, `arrival` |
//! | images in an archive | `images` |
//! | explain | `diagnosis` |

pub(crate) mod arrival;
pub(crate) mod configuration;
pub(crate) mod diagnosis;
pub(crate) mod hook;
pub(crate) mod images;
mod lazy_request;
pub(crate) mod link_remaps;
pub(crate) mod mount_points;
pub(crate) mod orphans;
pub(crate) mod page_server;
pub(crate) mod prefreeze;
pub(crate) mod processes;
pub(crate) mod real_criu;
pub(crate) mod watched;
