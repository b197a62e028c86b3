//! Jobs go to the threads, and what comes of them comes back.
//!
//! This is the one way back in the unpacking: a job that found its name occupied is done again by the calling thread.

use super::error::UnpackError;
use super::fill::Filled;
use super::job::{Done, Job, NotDone};
use super::pipeline::Pipeline;
use super::unpacker::Unpacker;

/// The memory of a file's data is used again up to this capacity, in bytes, which most files stay below. There are as
/// many such buffers as files with the threads at once; larger ones would keep more memory than [`pipeline`] allows
/// for.
const SPARE_BYTES: usize = 4096;

impl Unpacker<'_> {
    pub(super) fn submit(&mut self, job: Job) {
        let done = match &mut self.pipeline {
            Some(pipeline) => pipeline.submit(job),
            None => vec![job.complete(self.policy)],
        };
        self.count(done);
    }

    /// Waits if a thread is to make `path`.
    pub(super) fn wait_for(&mut self, path: &[u8]) {
        if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.has(path)) {
            self.settle();
        }
    }

    /// As [`Unpacker::wait_for`], for `path` and all that is above it.
    pub(super) fn wait_for_way(&mut self, path: &[u8]) {
        if self.pipeline.as_ref().is_some_and(|pipeline| pipeline.has_on_the_way_to(path)) {
            self.settle();
        }
    }

    /// Waits until the threads have nothing left, and takes what came of it.
    pub(super) fn settle(&mut self) {
        let done = self.pipeline.as_mut().map(Pipeline::wait);
        self.count(done.unwrap_or_default());
    }

    /// A job that came back is done again when no thread has anything left, in the order of the archive: it may need
    /// what others make, or have to remove a directory that has its name.
    pub(super) fn count(&mut self, mut done: Vec<Done>) {
        if done.iter().any(Done::is_to_do_again) {
            let others = self.pipeline.as_mut().map(Pipeline::wait);
            done.extend(others.unwrap_or_default());
            done.sort_by_key(|done| done.offset);
        }
        for Done { outcome, buffer, .. } in done {
            self.spare.extend(buffer.filter(|buffer| buffer.capacity() <= SPARE_BYTES));
            match outcome {
                Ok(filled) => self.add(filled),
                Err(NotDone::Failed(error)) => self.fail(error),
                Err(NotDone::Occupied(job)) => {
                    if let Err(error) = self.complete_anyway(*job) {
                        self.fail(error);
                    }
                }
            }
        }
    }

    pub(super) fn add(&mut self, Filled { moved, wrong }: Filled) {
        self.moved += moved;
        wrong.into_iter().for_each(|error| self.fail(error));
    }

    /// A job that came back because of what it found.
    fn complete_anyway(&mut self, job: Job) -> Result<(), UnpackError> {
        match job {
            Job::File { new, data } => {
                let filled = self.make_anyway(new)?.complete(&data, self.policy)?;
                self.add(filled);
                Ok(())
            }
            Job::Link { link, .. } => self.link_or_wait(link),
        }
    }
}
