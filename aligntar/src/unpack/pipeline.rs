//! Threads that make and fill regular files, and name them again, while the calling one reads the archive and makes all
//! else.
//!
//! A thread makes a file only where nothing or another file has its name. Whatever else depends on a name waits until
//! no thread has it: the outcome is that of one member after the other.
//!
//! ```text
//! submit ── batch ── jobs (bounded) ── thread ── done ── collect, wait
//!              └──── all threads are busy: the caller does it itself ────┘
//! ```

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::error::UnpackError;
use super::fill::Means;
use super::job::{Done, Job};
use crate::beneath::SafePath;

/// Files that a thread is given at once, all of one directory, where threads would wait for each other: waking one
/// takes as long as making a file.
const BATCH_FILES: usize = 128;

/// Bytes in memory from which on a batch is full.
const BATCH_BYTES: usize = 1 << 20;

/// Batches that wait for a thread. With one at each thread and one being filled, that bounds the memory to 1 MiB for
/// each, and 256 KiB where a file just went over it. Three made nothing faster, and had threads wait for each other four
/// times as often on XFS, which makes every fourth directory's files in the same allocation group.
const WAITING: usize = 1;

/// The threads and the files they have. Dropped, it waits for them: nothing of them is left, nor a half-written file.
pub(super) struct Pipeline {
    means: Means,
    batch: Vec<Job>,
    batch_bytes: usize,
    jobs: Option<SyncSender<Vec<Job>>>,
    done: Receiver<Vec<Done>>,
    threads: Vec<JoinHandle<()>>,
    /// Paths of what was submitted and has not been seen again.
    on_their_way: HashSet<SafePath>,
}

impl Pipeline {
    pub(super) fn start(threads: NonZeroUsize, means: Means) -> Result<Self, UnpackError> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (outbox, done) = channel();
        let mut pipeline = Pipeline {
            means,
            batch: Vec::new(),
            batch_bytes: 0,
            jobs: Some(jobs),
            done,
            threads: Vec::new(),
            on_their_way: HashSet::new(),
        };
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..threads.get() {
            let (inbox, outbox) = (inbox.clone(), outbox.clone());
            let thread = Builder::new().name("unpack".into()).spawn(move || work(&inbox, &outbox, means));
            pipeline.threads.push(thread.map_err(UnpackError::Thread)?);
        }
        Ok(pipeline)
    }

    /// Gives `job` to a thread soon. What comes back is of any job.
    pub(super) fn submit(&mut self, job: Job) -> Vec<Done> {
        // A link goes where its target is, wherever it lies.
        let is_link = matches!(job, Job::Link { .. });
        let is_elsewhere = self.batch.last().is_some_and(|last| !Arc::ptr_eq(last.parent(), job.parent()));
        let mut done = if is_elsewhere && !is_link { self.send() } else { Vec::new() };
        self.on_their_way.insert(job.path().clone());
        self.batch_bytes += job.bytes();
        self.batch.push(job);
        if self.batch.len() == BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            done.extend(self.send());
        }
        done
    }

    /// The directory of the file that is to be made as `path`, if no thread has it yet: what is submitted next comes behind
    /// it. A link can come back without being made, with something else under its name.
    pub(super) fn parent_of_next(&self, path: &SafePath) -> Option<Arc<OwnedFd>> {
        let is_file = |job: &&Job| matches!(job, Job::File { new, .. } if new.path == *path);
        self.batch.iter().rfind(is_file).map(|job| job.parent().clone())
    }

    /// Whether a file is on its way to `path`.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.on_their_way.contains(path)
    }

    /// What has been done since this was asked last.
    pub(super) fn collect(&mut self) -> Vec<Done> {
        let mut seen = Vec::new();
        while let Ok(done) = self.done.try_recv() {
            self.see(done, &mut seen);
        }
        seen
    }

    /// Waits until nothing is on its way.
    pub(super) fn wait(&mut self) -> Vec<Done> {
        let mut seen = self.send();
        while !self.on_their_way.is_empty() {
            // All senders are gone only if the threads panicked, which `finish` passes on.
            let Ok(done) = self.done.recv() else { break };
            self.see(done, &mut seen);
        }
        seen
    }

    /// Waits for all threads to end.
    pub(super) fn finish(mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }

    /// Gives the batch to a thread; where all are busy, this one has time to work itself.
    fn send(&mut self) -> Vec<Done> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let Some(jobs) = self.jobs.as_ref().filter(|_| !batch.is_empty()) else { return Vec::new() };
        match jobs.try_send(batch) {
            Ok(()) => Vec::new(),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                let mut seen = Vec::new();
                self.see(batch.into_iter().map(|job| job.complete(self.means)).collect(), &mut seen);
                seen
            }
        }
    }

    fn see(&mut self, done: Vec<Done>, seen: &mut Vec<Done>) {
        for done in &done {
            self.on_their_way.remove(&done.path);
        }
        seen.extend(done);
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.wait();
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Whoever dropped this is on the way out, maybe of a panic: a second one would abort.
            let _ = thread.join();
        }
    }
}

fn work(inbox: &Mutex<Receiver<Vec<Job>>>, outbox: &Sender<Vec<Done>>, means: Means) {
    loop {
        let batch = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        let done = batch.into_iter().map(|job| job.complete(means)).collect();
        if outbox.send(done).is_err() {
            return;
        }
    }
}
