//! Ctrl-C and its kin: the first has the work undone, the second ends it at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use ckpt_core::interrupt::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// What shells give for a program that SIGINT ended.
const STATUS: i32 = 130;

/// An interrupt that the first signal raises.
pub(crate) fn interrupt() -> Result<Interrupt> {
    let register = || {
        let (interrupt, raiser) = Interrupt::new()?;
        let seen = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, STATUS, seen.clone())?;
            flag::register(signal, seen.clone())?;
            low_level::pipe::register(signal, raiser.try_clone()?)?;
        }
        std::io::Result::Ok(interrupt)
    };
    register().context("catch signals")
}
