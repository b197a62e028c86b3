//! Ctrl-C, SIGTERM and SIGHUP: the first has the work undone, the second ends the program at once.

use std::io;
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
        register_flag()?;
        for signal in SIGNALS {
            low_level::pipe::register(signal, raiser.try_clone()?)?;
        }
        io::Result::Ok(interrupt)
    };
    register().context("catch signals")
}

/// A flag that the first signal sets, for work in small steps.
pub(crate) fn flag() -> Result<Arc<AtomicBool>> {
    register_flag().context("catch signals")
}

const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// A second signal ends the program.
fn register_flag() -> io::Result<Arc<AtomicBool>> {
    let seen = Arc::new(AtomicBool::new(false));
    for signal in SIGNALS {
        flag::register_conditional_shutdown(signal, STATUS, seen.clone())?;
        flag::register(signal, seen.clone())?;
    }
    Ok(seen)
}
