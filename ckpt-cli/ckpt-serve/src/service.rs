//! What all connections share.

use crate::operations::{Activity, Busy};
use crate::upstream::Upstream;

/// podman's own service, and what is at work.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) upstream: Upstream,
    pub(crate) busy: Busy,
    pub(crate) activity: Activity,
}
