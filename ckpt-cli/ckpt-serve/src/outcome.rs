//! What came of an operation.

use aligntar::Transferred;
use serde::Serialize;

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Outcome {
    /// The container's ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frozen_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cloned_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copied_bytes: Option<u64>,
}

impl Outcome {
    pub(crate) fn moved(self, moved: Transferred) -> Self {
        Outcome { cloned_bytes: Some(moved.cloned_bytes), copied_bytes: Some(moved.copied_bytes), ..self }
    }
}
