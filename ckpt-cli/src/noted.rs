//! What came of this run, for a service that has started it and notes that: a process is one run.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aligntar::Transferred;

/// What is known so far.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    /// The container's ID.
    pub(crate) id: Option<String>,
    /// For how long containers stood still.
    pub(crate) frozen: Option<Duration>,
    pub(crate) moved: Transferred,
    /// Of one that went wrong.
    pub(crate) error: Option<String>,
}

impl Noted {
    /// One more of several.
    pub(crate) fn add(&mut self, frozen: Option<Duration>, moved: Transferred) {
        self.frozen = self.frozen.into_iter().chain(frozen).reduce(|one, other| one + other);
        self.moved += moved;
    }
}

static NOTED: Mutex<Noted> = Mutex::new(Noted {
    id: None,
    frozen: None,
    moved: Transferred { cloned_bytes: 0, copied_bytes: 0, hole_bytes: 0, clone_calls: 0 },
    error: None,
});

pub(crate) fn noted() -> MutexGuard<'static, Noted> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}
