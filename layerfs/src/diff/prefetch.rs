//! Threads that ask the filesystem what the walk will need next.
//!
//! Jobs lie on a stack, the one that is needed first on top. The walk takes their results in its own order. It does a
//! job itself if no thread has begun it by then; if one has, the walk does other jobs until that thread is done.

use std::num::NonZero;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Names a walk has met before threads are started: most diffs are shorter, and starting those costs more than it
/// saves.
const MANY_NAMES: usize = 256;

/// Results that may lie ready, by [`Weight`]; a name with its `stat` takes some 250 bytes.
const READY: usize = 8192;

/// How much of [`READY`] a result takes.
pub(super) trait Weight {
    fn weight(&self) -> usize;
}

/// The threads, and the jobs that they share with the walk. Both end with this value.
#[derive(Default)]
pub(super) struct Prefetcher {
    names: usize,
    stack: Arc<JobStack>,
    threads: Option<Vec<JoinHandle<()>>>,
}

impl Prefetcher {
    /// Counts the names that the walk has met, and starts the threads once these are many.
    pub(super) fn count_names(&mut self, names: usize) {
        self.names += names;
        if self.names >= MANY_NAMES && self.threads.is_none() {
            let others = thread::available_parallelism().map_or(1, NonZero::get) - 1;
            // Without some of them the walk takes longer.
            let threads: Vec<_> = (0..others).filter_map(|_| start(&self.stack)).collect();
            if threads.is_empty() {
                self.stack.close();
            }
            self.threads = Some(threads);
        }
    }

    /// A job that is needed before all that were handed over so far.
    pub(super) fn submit<T: Weight + Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Prefetched<T> {
        let claim: Claim<T> = Arc::new(Mutex::new(Some(Box::new(work))));
        let (sender, result) = sync_channel(1);
        let (claimed, stack) = (claim.clone(), self.stack.clone());
        self.stack.add(Box::new(move || {
            if let Some(work) = take(&claimed) {
                let value = work();
                stack.lock().ready += value.weight();
                // The walk may have ended with an error.
                let _ = sender.send(value);
            }
        }));
        Prefetched { claim, result, stack: self.stack.clone() }
    }
}

impl Drop for Prefetcher {
    fn drop(&mut self) {
        self.stack.close();
        for thread in self.threads.take().into_iter().flatten() {
            if let Err(panic) = thread.join()
                && !thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// A result that the walk will need.
pub(super) struct Prefetched<T> {
    claim: Claim<T>,
    result: Receiver<T>,
    stack: Arc<JobStack>,
}

type Work<T> = Box<dyn FnOnce() -> T + Send>;
/// Empty as soon as somebody does the work.
type Claim<T> = Arc<Mutex<Option<Work<T>>>>;
type Job = Box<dyn FnOnce() + Send>;

impl<T: Weight> Prefetched<T> {
    pub(super) fn take(self) -> T {
        if let Some(work) = take(&self.claim) {
            return work();
        }
        let value = loop {
            match self.result.try_recv() {
                Ok(value) => break value,
                Err(TryRecvError::Empty) if self.stack.run_one() => {}
                _ => {
                    break self
                        .result
                        .recv()
                        .expect("a thread that has claimed a job sends its result, unless it panicked");
                }
            }
        };
        self.stack.make_room(value.weight());
        value
    }
}

fn take<T>(claim: &Claim<T>) -> Option<Work<T>> {
    claim.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Where the jobs lie.
#[derive(Default)]
struct JobStack {
    state: Mutex<State>,
    /// There is a job, or room for a result, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    ready: usize,
    closed: bool,
}

impl State {
    fn next(&mut self) -> Option<Job> {
        if self.ready < READY { self.jobs.pop() } else { None }
    }
}

impl JobStack {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, job: Job) {
        let mut state = self.lock();
        if !state.closed {
            state.jobs.push(job);
            drop(state);
            self.changed.notify_one();
        }
    }

    fn make_room(&self, weight: usize) {
        self.lock().ready -= weight;
        self.changed.notify_all();
    }

    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // The jobs hold the stack, so they are dropped outside its lock.
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.changed.notify_all();
    }

    /// Does one job, if there is any.
    fn run_one(&self) -> bool {
        let job = self.lock().next();
        job.map(|job| job()).is_some()
    }

    fn run_until_closed(&self) {
        loop {
            let mut state = self.lock();
            let job = loop {
                if state.closed {
                    return;
                }
                match state.next() {
                    Some(job) => break job,
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            job();
        }
    }
}

fn start(stack: &Arc<JobStack>) -> Option<JoinHandle<()>> {
    let stack = stack.clone();
    thread::Builder::new().name("layerfs-ahead".into()).spawn(move || stack.run_until_closed()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weight for usize {
        fn weight(&self) -> usize {
            1000
        }
    }

    /// Far more than there is room for, taken in order, while new ones come on top.
    #[test]
    fn every_result_comes_once_in_the_order_it_is_asked_for() {
        for names in [0, MANY_NAMES] {
            let mut prefetcher = Prefetcher::default();
            prefetcher.count_names(names);
            let mut jobs: Vec<_> = (0..200_usize).rev().map(|number| prefetcher.submit(move || number)).collect();
            let mut found = Vec::new();
            while let Some(job) = jobs.pop() {
                let number = job.take();
                found.push(number);
                if number < 200 && number % 10 == 0 {
                    jobs.push(prefetcher.submit(move || number + 1000));
                }
            }
            let expected = (0..200).flat_map(|number| [Some(number), (number % 10 == 0).then_some(number + 1000)]);
            assert_eq!(found, expected.flatten().collect::<Vec<_>>());
        }
    }

    #[test]
    fn jobs_that_nobody_asks_for_end_with_the_threads() {
        let mut prefetcher = Prefetcher::default();
        prefetcher.count_names(MANY_NAMES);
        let held = Arc::new(());
        let jobs: Vec<_> = (0..100_usize)
            .map(|number| {
                let held = held.clone();
                prefetcher.submit(move || Arc::strong_count(&held) + number)
            })
            .collect();
        drop(prefetcher);
        drop(jobs);
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
