//! Ctrl-C, SIGTERM and SIGHUP: the first has the work undone, the second ends the program at once.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use ckpt_core::interrupt::Interrupt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

use crate::messages::warn;

/// After that, somebody who has pressed Ctrl-C wonders.
const PATIENCE: Duration = Duration::from_secs(2);

/// What shells give for a program that SIGINT ended.
const STATUS: i32 = 130;

/// An interrupt that the first signal raises.
pub(crate) fn interrupt() -> Result<Interrupt> {
    let register = || {
        let (interrupt, raiser) = Interrupt::new()?;
        register_flag()?;
        register_pipe(&raiser)?;
        tell_of_a_long_end()?;
        io::Result::Ok(interrupt)
    };
    register().context("catch signals")
}

/// Has a file that grows beyond RLIMIT_FSIZE fail with EFBIG, as a full disk would: what was begun is undone then.
///
/// # Errors
/// Of sigaction(2).
pub(crate) fn outlive_file_size_limit() -> Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop).context("catch signals")
}

fn register_pipe(raiser: &UnixStream) -> io::Result<()> {
    SIGNALS.into_iter().try_for_each(|signal| low_level::pipe::register(signal, raiser.try_clone()?).map(drop))
}

/// Says so if it takes long to undo, or to finish what must not be left half-done.
fn tell_of_a_long_end() -> io::Result<()> {
    let (mut raised, raiser) = UnixStream::pair()?;
    register_pipe(&raiser)?;
    let teller = thread::Builder::new().name("teller".to_owned()).spawn(move || {
        if raised.read_exact(&mut [0]).is_ok() {
            thread::sleep(PATIENCE);
            warn(
                "interrupted, and still at work, so that nothing is left half-done: a second Ctrl-C ends it at \
                 once, and the next run of ckpt puts right what that leaves",
            );
        }
    });
    teller.map(drop)
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
