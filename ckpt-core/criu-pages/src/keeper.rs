//! The second process: it holds all descriptors by sharing their table, waits for the server's end, and then makes
//! another.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::failure::Failure;
use crate::journal::{Field, Journal};
use crate::setup::Setup;
use crate::status::State;
use crate::sys::{self, Fork};

/// Servers that end without having put a page, before it is given up: there is an error in the server, or no memory
/// for it.
const MAX_ATTEMPTS: u64 = 200;

/// Makes a server, and another whenever it is killed.
pub(crate) fn take_over(setup: &'static Setup, journal: &mut Journal) -> ! {
    let _ = rustix::thread::set_name(c"criu-pages");
    journal.set(Field::Keeper, u64::from(std::process::id()));
    let server = next_server(setup, journal);
    run(setup, journal, server)
}

/// Waits for the end of `server`, whoever made it.
pub(crate) fn run(setup: &'static Setup, journal: &mut Journal, mut server: BorrowedFd<'static>) -> ! {
    journal.set(Field::Keeper, u64::from(std::process::id()));
    loop {
        wait_for_end(server);
        sys::reap(server);
        sys::close(server.as_raw_fd());
        server = next_server(setup, journal);
    }
}

/// Makes a server that goes on where the one before has ended, if there is anything to go on with.
fn next_server(setup: &'static Setup, journal: &mut Journal) -> BorrowedFd<'static> {
    match State::from_number(journal.get(Field::State)) {
        Some(State::Complete | State::Abandoned) => {
            setup.remove_files();
            sys::exit(0)
        }
        Some(State::Failed) => sys::exit(1),
        Some(State::Failing) => setup.give_up_because(journal, setup.reason()),
        Some(State::Receiving) => setup.give_up(journal, &Failure::KilledEarly),
        _ => {}
    }
    let attempts = journal.get(Field::Attempts) + 1;
    journal.set(Field::Attempts, attempts);
    if attempts > MAX_ATTEMPTS {
        setup.give_up(journal, &Failure::NoProgress(attempts));
    }
    start_server(setup, journal)
        .unwrap_or_else(|source| setup.give_up(journal, &Failure::System { operation: "cannot make a server", source }))
}

fn start_server(setup: &'static Setup, journal: &mut Journal) -> Result<BorrowedFd<'static>, Errno> {
    let keeper = sys::keep_open(pidfd_open(getpid(), PidfdFlags::empty())?);
    match sys::fork_with_shared_descriptors()? {
        Fork::Child => (setup.server)(setup, journal, keeper),
        // It is not reaped, so the ID is its own.
        Fork::Parent(pid) => {
            journal.set(Field::Server, pid.as_raw_nonzero().get().cast_unsigned().into());
            pidfd_open(pid, PidfdFlags::empty()).map(sys::keep_open)
        }
    }
}

fn wait_for_end(pidfd: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
    while poll(&mut fds, None).is_err() {}
}
