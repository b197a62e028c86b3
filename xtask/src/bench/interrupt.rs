//! Ctrl-C inside the lab.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Whether Ctrl-C was pressed. The terminal sends it to every process of the
/// lab: the program that runs ends, and the one that started it has to live on
/// to remove gigabytes.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Notes the signal instead of dying of it.
    pub(crate) fn listen() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        flag::register(SIGINT, Arc::clone(&flag)).context("cannot listen for Ctrl-C")?;
        Ok(Self(flag))
    }

    /// An error once Ctrl-C was pressed: nothing new should begin, and what failed failed because of it.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(!self.0.load(Ordering::SeqCst), "interrupted");
        Ok(())
    }
}
