//! Threads that fill files which the calling thread made. They know descriptors only: names are touched by one thread,
//! in the order of the archive, or links and replaced files would depend on who is faster.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::error::UnpackError;
use super::fill::{Data, Made, Means};
use super::place::InodeId;
use crate::transfer::Transferred;

/// Files that wait for a thread. Each holds at most three descriptors and 256 KiB of data.
const WAITING: usize = 16;

/// A made file and what belongs into it.
pub(super) struct Job {
    pub(super) made: Made,
    pub(super) data: Data,
}

/// What a thread says of a job.
struct Done {
    inode: InodeId,
    outcome: Result<Transferred, Failed>,
}

/// Its file is still open, so that no other can get its inode number.
struct Failed {
    made: Box<Made>,
    error: UnpackError,
}

/// The threads and the files they have. Dropped, it waits for them: nothing of them is left, nor a half-written file.
pub(super) struct Pipeline {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Done>,
    threads: Vec<JoinHandle<()>>,
    in_flight: Vec<InodeId>,
}

impl Pipeline {
    pub(super) fn start(threads: NonZeroUsize, means: Means) -> Result<Self, UnpackError> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (outbox, done) = channel();
        let mut pipeline = Pipeline { jobs: Some(jobs), done, threads: Vec::new(), in_flight: Vec::new() };
        let inbox = Arc::new(Mutex::new(inbox));
        for _ in 0..threads.get() {
            let (inbox, outbox) = (inbox.clone(), outbox.clone());
            let thread = Builder::new().name("unpack".into()).spawn(move || work(&inbox, &outbox, means));
            pipeline.threads.push(thread.map_err(UnpackError::Thread)?);
        }
        Ok(pipeline)
    }

    /// Gives `job` to a thread, or back to the caller when all are busy: then it is the one who has time.
    pub(super) fn submit(&mut self, job: Job) -> Option<Job> {
        let inode = job.made.inode();
        let Some(jobs) = &self.jobs else { return Some(job) };
        match jobs.try_send(job) {
            Ok(()) => {
                self.in_flight.push(inode);
                None
            }
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job),
        }
    }

    /// What has been done since this was asked last.
    pub(super) fn collect(&mut self) -> Vec<Result<Transferred, UnpackError>> {
        let done: Vec<_> = self.done.try_iter().collect();
        done.into_iter().map(|done| self.settle(done)).collect()
    }

    /// Waits until no thread has `inode` any longer.
    pub(super) fn wait_for(&mut self, inode: InodeId) -> Vec<Result<Transferred, UnpackError>> {
        let mut outcomes = Vec::new();
        while self.in_flight.contains(&inode) {
            // All senders are gone only if the threads panicked, which `finish` passes on.
            let Ok(done) = self.done.recv() else { break };
            outcomes.push(self.settle(done));
        }
        outcomes
    }

    /// Waits for all threads to end.
    pub(super) fn finish(mut self) -> Vec<Result<Transferred, UnpackError>> {
        let outcomes = self.drain();
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        outcomes
    }

    fn drain(&mut self) -> Vec<Result<Transferred, UnpackError>> {
        self.jobs = None;
        let mut outcomes = Vec::new();
        while let Ok(done) = self.done.recv() {
            outcomes.push(self.settle(done));
        }
        outcomes
    }

    fn settle(&mut self, done: Done) -> Result<Transferred, UnpackError> {
        if let Some(at) = self.in_flight.iter().position(|&inode| inode == done.inode) {
            self.in_flight.swap_remove(at);
        }
        done.outcome.map_err(|Failed { made, error }| {
            made.discard();
            error
        })
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

fn work(inbox: &Mutex<Receiver<Job>>, outbox: &Sender<Done>, means: Means) {
    loop {
        let job = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let inode = job.made.inode();
        let outcome = match job.made.complete(&job.data, means) {
            Ok(moved) => {
                // Closed here: that is this thread's work as well.
                drop(job);
                Ok(moved)
            }
            Err(error) => Err(Failed { made: Box::new(job.made), error }),
        };
        if outbox.send(Done { inode, outcome }).is_err() {
            return;
        }
    }
}
