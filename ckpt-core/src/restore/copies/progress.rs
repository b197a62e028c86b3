//! What is told of copies while they are made.

use std::time::Duration;

use aligntar::Transferred;

use super::ports::PublishedPort;
use crate::progress::Progress;
use crate::restore::error::RestoreError;

/// A copy that runs.
#[derive(Clone, Debug)]
pub struct ReadyCopy {
    /// From 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Its ID.
    pub id: String,
    /// What the host publishes of it.
    pub ports: Vec<PublishedPort>,
    /// From the moment at which it was begun.
    pub elapsed: Duration,
    /// How its data moved out of the archive.
    pub moved: Transferred,
}

/// Told of each copy, in whatever order they come; beside what it is told of the work.
pub trait CopiesProgress: Progress {
    /// One runs.
    fn ready(&mut self, copy: &ReadyCopy);

    /// One failed, and what was made of it is removed again.
    fn failed(&mut self, name: &str, error: RestoreError);
}
