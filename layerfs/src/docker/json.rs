//! Docker's JSON files.

use std::path::Path;

use serde::Deserialize;

use super::error::DockerError;
use crate::bounded_read;

/// A container's description is some KiB; its environment and labels are its maker's.
const CONFIG_LIMIT: u64 = 16 << 20;

/// What the file says; `None` if there is none.
pub(super) fn read_json_optional<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, DockerError> {
    let Some(bytes) = bounded_read::read_optional(path, CONFIG_LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| DockerError::Json { path: path.into(), source })
}
