//! What came of an operation.

use aligntar::Transferred;
use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The container's ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// For how long the container stood still.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_seconds: Option<f64>,
    /// Bytes moved by clone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloned_bytes: Option<u64>,
    /// Bytes moved by copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_bytes: Option<u64>,
}

impl Outcome {
    /// The same with how data moved.
    pub fn moved(self, moved: Transferred) -> Self {
        Outcome { cloned_bytes: Some(moved.cloned_bytes), copied_bytes: Some(moved.copied_bytes), ..self }
    }
}
