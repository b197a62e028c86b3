//! Memory that is on its way: what the page servers of this host note, a file for each container.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use criu_pages::{State, Status, StatusFile};

use crate::host::interrupt::{Interrupt, is_interrupted, pause};
use crate::host::session::{self, memory_folder};
use crate::host::waiting::Waiting;
use crate::progress::{Phase, Progress};

/// Between two looks at how far it is.
const PERIOD: Duration = Duration::from_millis(50);

/// The memory of a container did not come.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// Its page server's notes cannot be read.
    #[error("read how far the memory is")]
    Read(#[source] io::Error),
    /// The container was killed, since its memory could not come.
    #[error("the container was killed, for its memory could not come: {reason}")]
    Lost {
        /// Why it could not.
        reason: String,
    },
    /// The caller wished it; the memory goes on coming.
    #[error("interrupted")]
    Interrupted,
}

/// Where it is noted how far the memory of the container `id` is.
pub(crate) fn file_of(id: &str) -> PathBuf {
    memory_folder().join(id)
}

/// IDs of containers whose memory is on its way, or did not come, with how far it is.
pub(crate) fn all() -> io::Result<Vec<(String, Status)>> {
    let ids = noted()?.into_iter();
    Ok(ids.filter_map(|id| of(&id).ok().flatten().map(|status| (id, status))).collect())
}

/// IDs of containers with a note.
fn noted() -> io::Result<Vec<String>> {
    match memory_folder().read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries?.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()),
    }
}

/// How far the memory of the container `id` is; `None` where none is on its way.
pub(crate) fn of(id: &str) -> io::Result<Option<Status>> {
    match StatusFile::open(&file_of(id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file?.read().map(Some),
    }
}

/// Waits until all memory of the container `id` is there.
///
/// # Errors
/// [`ArrivalError`].
pub(crate) fn wait(id: &str, interrupt: Option<&Interrupt>, progress: &mut dyn Progress) -> Result<(), ArrivalError> {
    let file = match StatusFile::open(&file_of(id)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(ArrivalError::Read)?,
    };
    progress.phase(Phase::Memory);
    loop {
        let status = file.read().map_err(ArrivalError::Read)?;
        progress.memory(status.arrived_bytes, status.lazy_bytes);
        match status.state {
            State::Complete | State::Abandoned => return Ok(()),
            State::Failed | State::Lost => {
                return Err(ArrivalError::Lost { reason: status.reason.unwrap_or_default() });
            }
            _ => pause(PERIOD, interrupt).map_err(|error| match is_interrupted(&error) {
                true => ArrivalError::Interrupted,
                false => ArrivalError::Read(error),
            })?,
        }
    }
}

/// Why the memory of the container `id` did not come, if that is known.
pub(crate) fn lost(id: &str) -> Option<ArrivalError> {
    let status = of(id).ok()??;
    let is_lost = matches!(status.state, State::Failed | State::Lost);
    is_lost.then(|| ArrivalError::Lost { reason: status.reason.unwrap_or_default() })
}

/// Removes the notes that nobody writes any more on containers that are `over`: gone, or begun anew.
pub(crate) fn forget(is_over: impl Fn(&str) -> bool) {
    for id in noted().unwrap_or_default() {
        if is_over(&id) {
            // The next run tries again.
            let _ = remove_if_final(&id);
        }
    }
}

/// Makes room for the note on the container `id`, in place of one on an earlier container of that ID. The servers of one
/// that was just removed may still be at their end.
pub(crate) fn begin(id: &str, waiting: &mut Waiting<'_>) -> io::Result<PathBuf> {
    session::make_memory_folder().map_err(io::Error::other)?;
    let told = || format!("the memory of an earlier container {id} is still on its way: waiting for its end");
    waiting.until(told, || remove_if_final(id))?;
    Ok(file_of(id))
}

/// Whether there is no note on the container `id` then.
fn remove_if_final(id: &str) -> io::Result<bool> {
    match of(id) {
        Ok(None) => return Ok(true),
        Ok(Some(status)) if !status.state.is_final() => return Ok(false),
        // Its first writer was killed.
        Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
        _ => {}
    }
    match std::fs::remove_file(file_of(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(true),
    }
}
