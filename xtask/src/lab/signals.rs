//! What a signal to `xtask` does to the lab it holds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::cgroups::LabGroups;

/// The cgroups that hold the processes of the open lab.
static LAB: Mutex<Option<LabGroups>> = Mutex::new(None);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();

/// Makes SIGTERM and SIGHUP kill the processes of the lab, so that its owner
/// goes on to remove the cgroups. SIGINT only must not end the owner: a
/// terminal sends it to the command as well, and that one decides.
pub(super) fn hold(groups: &LabGroups) {
    *LAB.lock().unwrap_or_else(PoisonError::into_inner) = Some(groups.clone());
    HANDLER.call_once(|| {
        let signals =
            Signals::new([SIGHUP, SIGINT, SIGTERM]).expect("these three signals may be handled, see signal(7)");
        thread::spawn(move || handle(signals));
    });
}

/// Lets signals end the program again.
pub(super) fn release() {
    *LAB.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Whether a signal came while a lab was open: then no other should follow.
pub(super) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

fn handle(mut signals: Signals) {
    for signal in signals.forever() {
        let lab = LAB.lock().unwrap_or_else(PoisonError::into_inner);
        INTERRUPTED.store(true, Ordering::SeqCst);
        match lab.as_ref() {
            Some(_) if signal == SIGINT => {}
            Some(groups) => groups.kill(),
            None => emulate_default_handler(signal).expect("the handled signals have a default, see signal(7)"),
        }
    }
}
