//! `copies`: any number of running containers out of one archive.
//!
//! ```text
//! look at archive and host ─ decide all names and ports ─┬─ podman makes number 1 ─ exec ─ ready ─ number 3 …
//!                                                        └─ podman makes number 2 ─ exec ─ ready ─ number 4 …
//! ```

mod gate;
mod one;
mod options;
mod ports;
mod progress;
mod requests;
mod template;
mod workers;

use std::time::{Duration, Instant};

pub use super::publication::PublicationError;
pub use options::CopiesOptions;
pub use ports::PublishedPort;
pub use progress::{CopiesProgress, ReadyCopy};
pub use template::{Template, TemplateError};

use super::error::RestoreError;
use super::options::RestoreOptions;
use super::prepared::{Prepared, Purpose};

/// What became of the copies.
#[derive(Clone, Debug)]
pub struct CopiesReport {
    /// Those that run.
    pub running: u32,
    /// From the first look at the archive to the last copy.
    pub elapsed: Duration,
}

/// Refuses what can be refused of the copies of the container `original` before it is touched.
pub(crate) fn check(copies: &CopiesOptions, original: &str) -> Result<(), RestoreError> {
    requests::check(copies, original)
}

/// Makes running copies of the container in an archive.
///
/// Each is a container of its own, with a new name, ID, IP and MAC; connections that were established are closed in it.
/// Of `options`, what names one container and its ports is not heeded.
///
/// # Errors
/// [`RestoreError`] if nothing could be begun. Of single copies `progress` is told; one that fails does not end the others.
pub fn restore_copies(
    options: &RestoreOptions,
    copies: &CopiesOptions,
    progress: &mut dyn CopiesProgress,
) -> Result<CopiesReport, RestoreError> {
    let started = Instant::now();
    // Its own name is podman's: nothing is wrong with it.
    requests::check(copies, "original")?;
    let prepared = Prepared::look(options, Purpose::Copies, progress)?;
    let requests = requests::of(options, copies, &prepared.config)?;
    let running = workers::run(&prepared, copies, &requests, progress);
    Ok(CopiesReport { running, elapsed: started.elapsed() })
}
