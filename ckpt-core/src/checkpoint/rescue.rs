//! Keeps a whole archive of a container that nothing else would bring back.

use std::error::Error;
use std::fs::File;
use std::io;
use std::path::Path;

use super::deliver::{self, DeliverError};
use super::error::{AfterDumpState, CheckpointError, DumpError};
use crate::host::output::Output;
use crate::progress::Progress;

/// Keeps the `whole` archive of a container that is stopped for good otherwise (`podman run --rm`), in `stage` if it is
/// there, at `path`.
pub(super) fn rescue(
    error: CheckpointError,
    stage: Option<Output>,
    whole: io::Result<File>,
    path: &Path,
    progress: &mut dyn Progress,
) -> CheckpointError {
    let CheckpointError::AfterDump { name, state, source } = error else { return error };
    let state = match &state {
        AfterDumpState::Stopped { .. } | AfterDumpState::Lost { .. } => match keep(stage, whole, path) {
            Ok(()) => state.rescued(path),
            Err(error) => {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                progress.warning(&format!("the archive is whole, and cannot be kept: {error}{cause}"));
                state
            }
        },
        _ => state,
    };
    CheckpointError::AfterDump { name, state, source }
}

fn keep(stage: Option<Output>, whole: io::Result<File>, path: &Path) -> Result<(), DumpError> {
    let output = match stage {
        Some(stage) => stage,
        None => {
            let output = Output::create(path)?;
            deliver::copy(&whole.map_err(DeliverError::Reopen)?, output.file())?;
            output
        }
    };
    Ok(output.publish_at_any_rate()?)
}
