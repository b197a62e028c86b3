//! Locks that another run may hold for long: waited for until an interrupt is raised, and not in silence.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::host::interrupt::{Interrupt, pause};

/// How often a lock is tried: no descriptor becomes ready when it is free.
const RETRY: Duration = Duration::from_millis(5);

/// After that, somebody in front of a screen wonders.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Locks `file` for its holder alone; `is_late` is called once if that takes longer than `patience`.
pub(crate) fn wait_for(
    file: &File,
    interrupt: Option<&Interrupt>,
    patience: Duration,
    is_late: impl FnOnce(),
) -> io::Result<()> {
    let started = Instant::now();
    let mut is_late = Some(is_late);
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            locked => return Ok(locked?),
        }
        if started.elapsed() >= patience
            && let Some(is_late) = is_late.take()
        {
            is_late();
        }
        pause(RETRY, interrupt)?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::host::interrupt::is_interrupted;

    #[test]
    fn an_interrupt_ends_the_wait_for_a_lock_and_the_wait_is_told_once() {
        let held = tempfile::NamedTempFile::new().unwrap();
        flock(held.as_file(), FlockOperation::LockExclusive).unwrap();
        let wanted = File::open(held.path()).unwrap();
        let (interrupt, mut raiser) = Interrupt::new().unwrap();
        let mut told = 0;
        let waited = wait_for(&wanted, Some(&interrupt), Duration::ZERO, || {
            told += 1;
            raiser.write_all(&[1]).unwrap();
        });
        assert!(is_interrupted(&waited.unwrap_err()));
        assert_eq!(told, 1);
        drop(held);
        wait_for(&wanted, None, Duration::ZERO, || panic!("it is free")).unwrap();
    }
}
