//! How often something is tried, and how long is waited in between.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::RegistryError;

/// Between the first two tries; twice as long between the next two, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How often somebody is asked meanwhile whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Says whether to stop.
pub trait Stop: Sync {
    /// Whether nobody wants it any more.
    fn is_wanted(&self) -> bool;
}

/// Nobody says so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Never;

impl Stop for Never {
    fn is_wanted(&self) -> bool {
        false
    }
}

/// How often is tried what may go well the next time. Progress starts the count anew.
#[derive(Clone, Copy)]
pub struct Patience<'s> {
    /// Tries without any progress.
    pub tries: u32,
    /// Ends waits.
    pub stop: &'s dyn Stop,
}

impl fmt::Debug for Patience<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} tries", self.tries)
    }
}

impl Patience<'_> {
    /// Tries until it goes well, or fails for good.
    pub(super) fn insist<T>(&self, mut work: impl FnMut() -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let mut failures = 0;
        loop {
            match work() {
                Err(error) => self.after(error, &mut failures)?,
                done => return done,
            }
        }
    }

    /// Waits before the next try; gives the error back if there is to be none.
    pub(super) fn after(&self, error: RegistryError, failures: &mut u32) -> Result<(), RegistryError> {
        *failures += 1;
        if !error.may_pass() {
            return Err(error);
        }
        if *failures >= self.tries {
            return Err(RegistryError::GaveUp { tries: self.tries, source: Box::new(error) });
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_PAUSE);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.check()?;
            sleep(LOOK);
        }
        self.check()
    }

    /// An error once it is to stop.
    pub(super) fn check(&self) -> Result<(), RegistryError> {
        if self.stop.is_wanted() { Err(RegistryError::Interrupted) } else { Ok(()) }
    }
}
