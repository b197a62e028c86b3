//! Threads that fill files which the calling thread made. They know descriptors only: names are touched by one thread,
//! in the order of the archive, or links and replaced files would depend on who is faster.
//!
//! ```text
//! submit ── batch ── jobs (bounded) ── thread ── done ── settle: counted, or discarded by its name
//!              └──── all threads are busy: the caller does it itself ────┘
//! ```

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::error::UnpackError;
use super::fill::{Data, Made, Means};
use super::place::InodeId;
use crate::transfer::Transferred;

/// Files that a thread is given at once: waking it takes as long as filling a small one.
const BATCH_FILES: usize = 16;

/// Bytes in memory from which on a batch is full.
const BATCH_BYTES: usize = 256 * 1024;

/// Batches that wait for a thread. With one at each thread and one being filled, that bounds the open files to 16 for
/// each (with their directories and, for long data, the archive: three descriptors) and the memory to 512 KiB.
const WAITING: usize = 3;

/// What became of a file: how its data moved, or that it has been removed again, and why.
pub(super) type Outcome = Result<Transferred, UnpackError>;

/// A made file and what belongs into it.
pub(super) struct Job {
    pub(super) made: Made,
    pub(super) data: Data,
}

impl Job {
    fn complete(self, means: Means) -> Done {
        let inode = self.made.inode();
        let completed = self.made.complete(&self.data, means);
        // A file that is whole is closed here: that is this thread's work as well.
        let outcome = completed.map_err(|error| Failed { made: Box::new(self.made), error });
        Done { inode, outcome }
    }

    /// Bytes in memory.
    fn bytes(&self) -> usize {
        match &self.data {
            Data::Memory(bytes) => bytes.len(),
            // Waits for nothing: the others of its batch would wait for it.
            Data::Spans { .. } => BATCH_BYTES,
        }
    }
}

struct Done {
    inode: InodeId,
    outcome: Result<Transferred, Failed>,
}

/// Its file is still open, so that no other can get its inode number.
struct Failed {
    made: Box<Made>,
    error: UnpackError,
}

impl Done {
    /// To be called where names are touched.
    fn settle(self) -> Outcome {
        self.outcome.map_err(|Failed { made, error }| {
            made.discard();
            error
        })
    }
}

/// The threads and the files they have. Dropped, it waits for them: nothing of them is left, nor a half-written file.
pub(super) struct Pipeline {
    means: Means,
    batch: Vec<Job>,
    batch_bytes: usize,
    jobs: Option<SyncSender<Vec<Job>>>,
    done: Receiver<Vec<Done>>,
    threads: Vec<JoinHandle<()>>,
    /// Given to a thread and not seen again.
    in_flight: Vec<InodeId>,
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
            in_flight: Vec::new(),
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
    pub(super) fn submit(&mut self, job: Job) -> Vec<Outcome> {
        self.batch_bytes += job.bytes();
        self.batch.push(job);
        if self.batch.len() < BATCH_FILES && self.batch_bytes < BATCH_BYTES { Vec::new() } else { self.send() }
    }

    /// What has been done since this was asked last.
    pub(super) fn collect(&mut self) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Ok(done) = self.done.try_recv() {
            self.settle(done, &mut outcomes);
        }
        outcomes
    }

    /// Waits until no thread has `inode` any longer.
    pub(super) fn wait_for(&mut self, inode: InodeId) -> Vec<Outcome> {
        let is_batched = self.batch.iter().any(|job| job.made.inode() == inode);
        let mut outcomes = if is_batched { self.send() } else { Vec::new() };
        while self.in_flight.contains(&inode) {
            // All senders are gone only if the threads panicked, which `finish` passes on.
            let Ok(done) = self.done.recv() else { break };
            self.settle(done, &mut outcomes);
        }
        outcomes
    }

    /// Waits for all threads to end.
    pub(super) fn finish(mut self) -> Vec<Outcome> {
        let outcomes = self.drain();
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        outcomes
    }

    fn drain(&mut self) -> Vec<Outcome> {
        let mut outcomes = self.send();
        self.jobs = None;
        while let Ok(done) = self.done.recv() {
            self.settle(done, &mut outcomes);
        }
        outcomes
    }

    /// Gives the batch to a thread; where all are busy, this one has time to work itself.
    fn send(&mut self) -> Vec<Outcome> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let Some(jobs) = self.jobs.as_ref().filter(|_| !batch.is_empty()) else { return Vec::new() };
        let inodes = self.in_flight.len();
        self.in_flight.extend(batch.iter().map(|job| job.made.inode()));
        match jobs.try_send(batch) {
            Ok(()) => Vec::new(),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.in_flight.truncate(inodes);
                batch.into_iter().map(|job| job.complete(self.means).settle()).collect()
            }
        }
    }

    fn settle(&mut self, done: Vec<Done>, outcomes: &mut Vec<Outcome>) {
        for done in done {
            if let Some(at) = self.in_flight.iter().position(|&inode| inode == done.inode) {
                self.in_flight.swap_remove(at);
            }
            outcomes.push(done.settle());
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.drain();
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
