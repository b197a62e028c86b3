//! Waits for others, who may take long. An interrupt ends the wait, and the user is told what is waited for.

use std::io;
use std::time::{Duration, Instant};

use crate::host::interrupt::{Interrupt, pause};
use crate::progress::Progress;

/// How often is looked: no descriptor becomes ready.
const RETRY: Duration = Duration::from_millis(5);

/// The user is told of a wait that takes longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What ends waits early, and where long ones are told.
pub(crate) struct Waiting<'w> {
    pub(crate) interrupt: Option<&'w Interrupt>,
    progress: &'w mut dyn Progress,
    patience: Duration,
}

impl<'w> Waiting<'w> {
    /// What undoes or rescues waits without an `interrupt`.
    pub(crate) fn new(interrupt: Option<&'w Interrupt>, progress: &'w mut dyn Progress) -> Self {
        Waiting { interrupt, progress, patience: PATIENCE }
    }

    /// Looks again and again until it is `done`, and says once what is waited for if that takes long.
    ///
    /// # Errors
    /// Those of `done`; that the interrupt was raised.
    pub(crate) fn until(
        &mut self,
        what: impl Fn() -> String,
        done: impl FnMut() -> io::Result<bool>,
    ) -> io::Result<()> {
        self.until_limit(Duration::MAX, what, done).map(drop)
    }

    /// As [`Waiting::until`], for no longer than `limit`; gives whether it is done.
    pub(crate) fn until_limit(
        &mut self,
        limit: Duration,
        what: impl Fn() -> String,
        mut done: impl FnMut() -> io::Result<bool>,
    ) -> io::Result<bool> {
        let started = Instant::now();
        let mut is_told = false;
        while !done()? {
            let waited = started.elapsed();
            if waited >= limit {
                return Ok(false);
            }
            if waited >= self.patience && !is_told {
                self.progress.warning(&what());
                is_told = true;
            }
            pause(RETRY, self.interrupt)?;
        }
        Ok(true)
    }

    pub(crate) fn warning(&mut self, text: &str) {
        self.progress.warning(text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::host::interrupt::is_interrupted;

    /// Raises the interrupt when it is told something.
    struct Impatient {
        told: Vec<String>,
        raiser: UnixStream,
    }

    impl Progress for Impatient {
        fn warning(&mut self, text: &str) {
            self.told.push(text.to_owned());
            self.raiser.write_all(&[1]).unwrap();
        }
    }

    #[test]
    fn a_long_wait_is_told_once_and_ends_with_an_interrupt() {
        let (interrupt, raiser) = Interrupt::new().unwrap();
        let mut impatient = Impatient { told: Vec::new(), raiser };
        let mut waiting = Waiting { patience: Duration::ZERO, ..Waiting::new(Some(&interrupt), &mut impatient) };
        let ended = waiting.until(|| "waiting".to_owned(), || Ok(false));
        assert!(is_interrupted(&ended.unwrap_err()));
        assert_eq!(impatient.told, ["waiting"]);
    }

    #[test]
    fn what_is_done_is_not_waited_for_and_what_is_not_has_a_limit() {
        let (_interrupt, raiser) = Interrupt::new().unwrap();
        let mut impatient = Impatient { told: Vec::new(), raiser };
        let mut waiting = Waiting::new(None, &mut impatient);
        let what = || unreachable!("it takes no time");
        waiting.until(what, || Ok(true)).unwrap();
        assert!(!waiting.until_limit(Duration::ZERO, what, || Ok(false)).unwrap());
        assert!(impatient.told.is_empty());
    }
}
