//! Threads that each make one copy after the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use super::gate::Gate;
use super::one;
use super::options::CopiesOptions;
use super::progress::{CopiesProgress, ReadyCopy};
use super::requests::Request;
use crate::host::interrupt::Interrupt;
use crate::host::niceness;
use crate::progress::{Phase, Progress};
use crate::restore::error::RestoreError;
use crate::restore::prepared::Prepared;

/// What a thread tells.
enum Event {
    Warning(String),
    /// One copy is ready, or failed; by its place among the requests.
    Done(usize, Result<ReadyCopy, Box<RestoreError>>),
}

/// What a patient thread starts, and what outlives that. CRIU gives the container's processes the niceness that they had.
const PATIENT: [&str; 6] = ["podman", "conmon", "crun", "runc", "criu", "aardvark-dns"];

/// Makes all that is asked for, unless interrupted; gives how many run in the end.
pub(super) fn run(
    prepared: &Prepared,
    copies: &CopiesOptions,
    requests: &[Request],
    progress: &mut dyn CopiesProgress,
) -> u32 {
    let work = Work {
        prepared,
        copies,
        requests,
        next: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        is_one_there: AtomicBool::new(false),
        first_starts: Gate::default(),
    };
    let mut ready = Vec::new();
    let mut is_one_missing = false;
    thread::scope(|scope| {
        let (events, told) = mpsc::channel();
        let (jobs, at_first) = (copies.jobs(), at_first(copies));
        for number in 0..jobs {
            let (work, events) = (&work, events.clone());
            scope.spawn(move || {
                if number >= at_first {
                    work.first_starts.wait();
                }
                work.on(&events)
            });
        }
        drop(events);
        for event in told {
            match event {
                Event::Warning(text) => progress.warning(&text),
                Event::Done(at, Ok(copy)) => {
                    progress.ready(&copy);
                    ready.push(at);
                }
                Event::Done(at, Err(error)) => {
                    is_one_missing = true;
                    progress.failed(&requests[at].name, *error);
                }
            }
        }
    });
    // One may have begun to be patient just when the first was there.
    if requests.len() > 1 {
        niceness::end_patience_of(&PATIENT);
    }
    is_one_missing |= ready.len() < requests.len();
    if copies.all_or_none && is_one_missing {
        ready.retain(|&at| !remove(prepared, &requests[at], progress));
    }
    ready.len() as u32
}

/// How many are made at a time before the processes of one run. Where they come in waves, somebody may want to use the
/// first before the last is there: it has the processors for itself. A single wave is over sooner if all of it begins at
/// once. Either way the others are patient until the first is ready. Four copies on two processors, in seconds, medians of
/// 3 to 7 (`bench fork`):
///
/// | others begin | BTRFS, crun: the first runs | all run | XFS, runc: the first runs | all run |
/// |---|---|---|---|---|
/// | at once, as urgent as the first | 0.41 | 0.48 | 0.30 | 0.32 |
/// | at once | 0.28 | 0.42 | 0.23 | 0.36 |
/// | when CRIU does | 0.28 | 0.49 | | |
/// | when the first's processes run | 0.22 | 0.55 | | |
/// | at once, but podman makes one container at a time, the first's first | 0.28 | 0.47 | | |
/// | at once, but podman makes theirs when the first's has ended | 0.21 | 0.53 | | |
/// | (a single copy) | 0.19 | | 0.21 | |
///
/// On BTRFS, the first waits for locks of podman whose holders wait for the disk.
fn at_first(copies: &CopiesOptions) -> usize {
    if copies.jobs() < copies.count.get() as usize { 1 } else { copies.jobs() }
}

/// What the threads share.
struct Work<'w> {
    prepared: &'w Prepared,
    copies: &'w CopiesOptions,
    requests: &'w [Request],
    /// The place of the next request.
    next: AtomicUsize,
    /// Whether no other is to be begun.
    is_over: AtomicBool,
    /// Whether one is ready, or has failed: nobody has to be patient any more.
    is_one_there: AtomicBool,
    /// Open as soon as the processes of one begin to run, or it has failed, or none is to be begun.
    first_starts: Gate,
}

impl Work<'_> {
    fn on(&self, events: &Sender<Event>) {
        let _opened_at_last = self.first_starts.opened_at_last();
        while let Some(at) = self.next() {
            let request = &self.requests[at];
            let is_patient = at > 0 && !self.is_one_there.load(Ordering::Relaxed);
            let mut told = Told { name: &request.name, events, first_starts: &self.first_starts };
            let done = one::make(self.prepared, self.copies, (request, is_patient), &mut told).map_err(Box::new);
            if !self.is_one_there.swap(true, Ordering::Relaxed) && self.requests.len() > 1 {
                niceness::end_patience_of(&PATIENT);
            }
            if done.is_err() && self.copies.all_or_none {
                self.is_over.store(true, Ordering::Relaxed);
            }
            self.first_starts.open();
            // Who does not listen any more has panicked.
            let _ = events.send(Event::Done(at, done));
        }
    }

    fn next(&self) -> Option<usize> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let request = self.requests.get(at)?;
        let is_raised = request.options.interrupt.as_ref().is_some_and(Interrupt::is_raised);
        (!is_raised && !self.is_over.load(Ordering::Relaxed)).then_some(at)
    }
}

/// Hands on what one copy's restore has to say.
struct Told<'t> {
    name: &'t str,
    events: &'t Sender<Event>,
    first_starts: &'t Gate,
}

impl Progress for Told<'_> {
    fn phase(&mut self, phase: Phase) {
        if phase == Phase::Start {
            self.first_starts.open();
        }
    }

    fn warning(&mut self, text: &str) {
        let _ = self.events.send(Event::Warning(format!("{}: {text}", self.name)));
    }
}

/// Removes a copy that is ready, with its volumes; gives whether it is gone.
fn remove(prepared: &Prepared, request: &Request, progress: &mut dyn CopiesProgress) -> bool {
    let removed = prepared.undoing_engine.remove(&request.name, true).and_then(|()| {
        let mut named = request.volumes.iter().filter(|volume| !volume.is_anonymous);
        named.try_for_each(|volume| prepared.undoing_engine.remove_volume(&volume.name))
    });
    if let Err(error) = &removed {
        progress.warning(&format!("{} cannot be removed again: {error}", request.name));
    }
    removed.is_ok()
}
