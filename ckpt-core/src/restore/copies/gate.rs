//! What threads wait at until one of them opens it, once and for all.

use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Default)]
pub(super) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    /// Opens it when the value is dropped, be it in a panic.
    pub(super) fn opened_at_last(&self) -> OpenedAtLast<'_> {
        OpenedAtLast(self)
    }

    pub(super) fn wait(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(is_open, |is_open| !*is_open));
    }
}

pub(super) struct OpenedAtLast<'g>(&'g Gate);

impl Drop for OpenedAtLast<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn who_waits_goes_on_when_it_is_opened_and_when_its_opener_panics() {
        for panics in [false, true] {
            let (gate, is_allowed) = (Gate::default(), AtomicBool::new(false));
            thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    gate.wait();
                    is_allowed.load(Ordering::SeqCst)
                });
                let opener = scope.spawn(|| {
                    let _opened_at_last = gate.opened_at_last();
                    is_allowed.store(true, Ordering::SeqCst);
                    assert!(!panics, "on purpose");
                });
                assert_eq!(opener.join().is_err(), panics);
                assert!(waiting.join().unwrap());
            });
            // Open stays open.
            gate.wait();
        }
    }
}
