//! What all connections share.

use std::sync::Arc;

use crate::metrics::Metrics;
use crate::operations::{Activity, Busy};
use crate::upstream::Upstream;

/// podman's own service, and what is at work.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) upstream: Upstream,
    pub(crate) busy: Busy,
    pub(crate) activity: Activity,
    pub(crate) metrics: Arc<Metrics>,
}
