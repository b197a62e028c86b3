//! Threads that make and fill regular files and hard links to them, while the calling thread reads the archive and
//! makes all else.
//!
//! A thread makes a file only where nothing or another file has its name. Whatever else depends on a name waits until
//! no thread has that name. So the outcome is the same as with one member after the other.
//!
//! ```text
//! submit ── batch ── jobs (bounded) ── thread ── done ── collect, wait
//!              └──── all threads are busy: the caller does it itself ────┘
//! ```

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder, JoinHandle};

use super::error::UnpackError;
use super::fill::FillPolicy;
use super::job::{Done, Job};
use crate::safe_path::SafePath;

/// Files that a thread gets at once, all of one directory, where two threads would wait for each other. To wake a
/// thread takes as long as to make a file.
const BATCH_FILES: usize = 128;

/// Bytes in memory from which on a batch is full.
const BATCH_BYTES: usize = 1 << 20;

/// Batches that wait for a thread. With one at each thread and one being filled, that bounds the memory to 1 MiB for
/// each, and 256 KiB where a file just went over it. Three made nothing faster, and had threads wait for each other
/// four times as often on XFS, which makes every fourth directory's files in the same allocation group.
const WAITING: usize = 1;

/// What a thread made of a batch, or its panic. Whoever waits for the batch must hear of a panic, since the other
/// threads keep the channel open.
type Outcome = thread::Result<Vec<Done>>;

/// The threads and their files. When dropped, it waits for the threads, so that no file stays half-written.
pub(super) struct Pipeline {
    policy: FillPolicy,
    batch: Vec<Job>,
    batch_bytes: usize,
    jobs: Option<SyncSender<Vec<Job>>>,
    done: Receiver<Outcome>,
    threads: Vec<JoinHandle<()>>,
    /// Paths of what was submitted and has not been seen again.
    on_their_way: HashSet<SafePath>,
}

impl Pipeline {
    pub(super) fn start(threads: NonZeroUsize, policy: FillPolicy) -> Result<Self, UnpackError> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (outbox, done) = channel();
        let mut pipeline = Pipeline {
            policy,
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
            let thread = Builder::new().name("unpack".into()).spawn(move || work(&inbox, &outbox, policy));
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

    /// The directory of the file that is to be made as `path`, if no thread has it yet: what is submitted next comes
    /// after it. Only of a file: a link may come back without being made.
    pub(super) fn parent_of_next(&self, path: &SafePath) -> Option<Arc<OwnedFd>> {
        let is_file = |job: &&Job| matches!(job, Job::File { new, .. } if new.path == *path);
        self.batch.iter().rfind(is_file).map(|job| job.parent().clone())
    }

    /// Whether a file is on its way to `path`.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        self.on_their_way.contains(path)
    }

    /// Whether a file is on its way to `path` or to anything above it.
    pub(super) fn has_on_the_way_to(&self, path: &[u8]) -> bool {
        let is_above = |above: &[u8]| path.starts_with(above) && matches!(path.get(above.len()), None | Some(b'/'));
        self.on_their_way.iter().any(|file| is_above(file.as_bytes()))
    }

    /// What has been done since this was asked last. A thread's panic goes on here.
    pub(super) fn collect(&mut self) -> Vec<Done> {
        let mut seen = Vec::new();
        while let Ok(outcome) = self.done.try_recv() {
            self.see(outcome.unwrap_or_else(|panic| resume_unwind(panic)), &mut seen);
        }
        seen
    }

    /// Waits until nothing is on its way. A thread's panic goes on here.
    pub(super) fn wait(&mut self) -> Vec<Done> {
        let mut seen = self.send();
        while !self.on_their_way.is_empty() {
            let outcome = self.done.recv().expect("threads end only after the sender of jobs is gone");
            self.see(outcome.unwrap_or_else(|panic| resume_unwind(panic)), &mut seen);
        }
        seen
    }

    /// Gives the batch to a thread. If all are busy, the calling thread does the work.
    fn send(&mut self) -> Vec<Done> {
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let Some(jobs) = self.jobs.as_ref().filter(|_| !batch.is_empty()) else { return Vec::new() };
        match jobs.try_send(batch) {
            Ok(()) => Vec::new(),
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                let mut seen = Vec::new();
                self.see(batch.into_iter().map(|job| job.complete(self.policy)).collect(), &mut seen);
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
        if !thread::panicking() {
            self.send();
        }
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // This may be dropped by a panic, and a second panic would abort.
            let _ = thread.join();
        }
    }
}

fn work(inbox: &Mutex<Receiver<Vec<Job>>>, outbox: &Sender<Outcome>, policy: FillPolicy) {
    loop {
        let batch = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        // Nothing of the batch is used after a panic.
        let outcome = catch_unwind(AssertUnwindSafe(|| batch.into_iter().map(|job| job.complete(policy)).collect()));
        let is_last = outcome.is_err();
        if outbox.send(outcome).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::align::Alignment;
    use crate::member::{Kind, Member};
    use crate::transfer::ClonePolicy;
    use crate::unpack::UnpackOptions;
    use crate::unpack::attributes::Attributes;
    use crate::unpack::fill::{Data, Imperfect};
    use crate::unpack::new_file::NewFile;

    /// No archive leads to this: the root is not a file.
    fn job_that_panics() -> Job {
        let member = Member::new(".", Kind::Regular { size: 0 }, 0o644);
        let new = NewFile {
            archived: b".".to_vec(),
            offset: 0,
            path: SafePath::new(b".").unwrap(),
            parent: Arc::new(std::fs::File::open("/").unwrap().into()),
            created_owner: Arc::new(OnceLock::new()),
            size: 0,
            attributes: Attributes::of(&member, &UnpackOptions::default()),
        };
        Job::File { new, data: Data::Memory(Vec::new()) }
    }

    #[test]
    fn a_panic_in_one_thread_ends_the_wait_for_all() {
        let (fs_block, clone_policy) = (Alignment::DEFAULT, ClonePolicy::Never);
        let policy = FillPolicy { fs_block, clone_policy, imperfect: Imperfect::Discard };
        for threads in [1, 3] {
            let mut pipeline = Pipeline::start(NonZeroUsize::new(threads).unwrap(), policy).unwrap();
            pipeline.submit(job_that_panics());
            assert!(catch_unwind(AssertUnwindSafe(|| pipeline.wait())).is_err(), "{threads} threads");
            // Dropped, it waits for the other threads alone.
            drop(pipeline);
        }
    }
}
