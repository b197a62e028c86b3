//! What the server's threads share.

use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use crate::deliver::{Delivered, Stop};
use crate::failure::Failure;
use crate::memory::Memory;

/// For so long nothing may come for want of memory.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Shared {
    memory: RwLock<Memory>,
    failure: Mutex<Option<Failure>>,
    /// When a page was last not refused for want of memory.
    progress: Mutex<Instant>,
}

impl Shared {
    pub(crate) fn new(memory: Memory) -> Self {
        let (failure, progress) = (Mutex::new(None), Mutex::new(Instant::now()));
        Self { memory: RwLock::new(memory), failure, progress }
    }

    /// To put pages. A panic of another thread ends the server anyway.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To hear of changes, and to note what was put.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
    }

    /// Of another thread.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Takes note of whether there was memory; fails when there was none for too long.
    pub(crate) fn note(&self, delivered: &Delivered) -> Result<(), Failure> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if !delivered.is_stopped_by(Stop::NoMemory) {
            *progress = Instant::now();
        } else if progress.elapsed() > PATIENCE {
            return Err(Failure::NoMemory);
        }
        Ok(())
    }
}
