//! What is at work: connections, checkpoints and restores. One checkpoint of a container at a time.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ckpt_core::interrupt::Interrupt;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

/// Counts what is at work.
#[derive(Clone, Debug)]
pub(crate) struct Activity(watch::Sender<usize>);

/// Something is at work until this is dropped.
#[derive(Debug)]
pub(crate) struct AtWork(Activity);

impl Activity {
    pub(crate) fn new() -> Self {
        Activity(watch::Sender::new(0))
    }

    pub(crate) fn begin(&self) -> AtWork {
        self.0.send_modify(|count| *count += 1);
        AtWork(self.clone())
    }

    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// Raises an interrupt when it is dropped, which is when nobody waits for the work any more.
#[derive(Debug)]
pub(crate) struct RaiseOnDrop(UnixStream);

impl RaiseOnDrop {
    pub(crate) fn new() -> io::Result<(Interrupt, Self)> {
        let (interrupt, raiser) = Interrupt::new()?;
        Ok((interrupt, RaiseOnDrop(raiser)))
    }
}

impl Drop for RaiseOnDrop {
    fn drop(&mut self) {
        // Nobody is left to be interrupted if it fails.
        let _ = self.0.write_all(&[1]);
    }
}

/// Containers that are being checkpointed, by their IDs.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<HashMap<String, Weak<AsyncMutex<()>>>>);

impl Busy {
    /// Waits until nobody checkpoints the container.
    pub(crate) async fn alone_with(&self, id: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, lock| lock.strong_count() > 0);
            let known = all.get(id).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                all.insert(id.to_owned(), Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_container_is_one_operations_at_a_time() {
        let busy = Busy::default();
        let first = busy.alone_with("a").await;
        let _other = busy.alone_with("b").await;
        let mut second = std::pin::pin!(busy.alone_with("a"));
        tokio::select! {
            biased;
            _ = &mut second => panic!("two at a time"),
            _ = std::future::ready(()) => {}
        }
        drop(first);
        drop(second.await);
        let _third = busy.alone_with("c").await;
        assert_eq!(busy.0.lock().unwrap().len(), 2);
    }

    #[test]
    fn who_no_longer_waits_interrupts() {
        let (interrupt, raiser) = RaiseOnDrop::new().unwrap();
        assert!(!interrupt.is_raised());
        drop(raiser);
        assert!(interrupt.is_raised());
    }
}
