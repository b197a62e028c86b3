//! The third process: it holds all descriptors as the other two do, and waits until both have ended.
//!
//! Server and keeper each replace the other, which takes a moment: killed one right after the other, they would give up
//! the memory. This one does not, and makes them anew. It is their ancestor, and who loses a parent becomes its child
//! (PR_SET_CHILD_SUBREAPER, prctl(2)): when it has no child left, none of them is there.

use rustix::io::Errno;
use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};

use crate::failure::Failure;
use crate::journal::{Field, Journal};
use crate::keeper;
use crate::setup::Setup;
use crate::status::State;
use crate::sys::{self, Fork};

/// Makes a keeper, which makes a server, and both again whenever they are killed.
pub(crate) fn run(setup: &'static Setup, journal: &mut Journal) -> ! {
    // Who kills the others by their name does not mean this one.
    let _ = rustix::thread::set_name(c"uffd-reserve");
    journal.set(Field::Reserve, u64::from(std::process::id()));
    let failed = |operation| move |source| Failure::System { operation, source };
    if let Err(failure) = set_child_subreaper(Some(getpid())).map_err(failed("cannot adopt processes")) {
        setup.give_up(journal, &failure);
    }
    loop {
        match sys::fork_with_shared_descriptors().map_err(failed("cannot make a keeper")) {
            Ok(Fork::Child) => keeper::take_over(setup, journal),
            Ok(Fork::Parent(_)) => wait_for_all(),
            Err(failure) => setup.give_up(journal, &failure),
        }
        match State::from_number(journal.get(Field::State)) {
            Some(State::Complete | State::Abandoned) => {
                setup.remove_files();
                sys::exit(0)
            }
            Some(State::Failed) => sys::exit(1),
            _ => {}
        }
    }
}

/// Reaps children until there is none.
fn wait_for_all() {
    while !matches!(wait(WaitOptions::empty()), Err(Errno::CHILD)) {}
}
