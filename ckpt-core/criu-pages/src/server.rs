//! The first process: it answers threads that wait for pages, hears of what processes do to their memory, and has
//! workers bring the rest of the pages.

use std::convert::Infallible;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::io::Errno;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use crate::answer::Answerer;
use crate::failure::Failure;
use crate::fuse::Fuse;
use crate::journal::{Field, Journal};
use crate::memory::{Fault, Memory};
use crate::readers::WORKERS;
use crate::restorer::Restorer;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::status::State;
use crate::sys::{self, Fork};
use crate::worker;

/// Bytes of a worker's stack.
const STACK: usize = 256 << 10;
/// How long it takes at most to see that the workers are done, and how often progress is published.
const TICK: Duration = Duration::from_millis(10);
/// When to try again what the kernel has just refused.
const RETRY: Duration = Duration::from_micros(100);

/// Serves until nothing is to come any more. `keeper` ends when the other process does.
pub(crate) fn run(setup: &'static Setup, journal: &mut Journal, keeper: BorrowedFd<'static>) -> ! {
    journal.set(Field::Server, u64::from(std::process::id()));
    let served = catch_unwind(AssertUnwindSafe(|| serve(setup, journal, keeper)));
    match served {
        Ok(Ok(never)) => match never {},
        Ok(Err(failure)) => setup.give_up(journal, &failure),
        Err(panic) => setup.give_up(journal, &Failure::of_panic(&*panic)),
    }
}

/// Goes on where the journal ends.
fn serve(setup: &'static Setup, journal: &mut Journal, keeper: BorrowedFd<'static>) -> Result<Infallible, Failure> {
    let spaces = journal.replay(&setup.checkpoint).map_err(Failure::system("cannot read the journal"))?;
    // The server that went before may have been told of threads that wait, and have died before it answered.
    spaces.keys().for_each(|&uffd| sys::uffd_wake_all(sys::borrow(uffd)));
    let shared = &Shared::new(Memory::new(&setup.checkpoint, spaces, journal.clone()));
    let mut server = Server::new(setup, journal, shared, keeper)?;
    server.work_until(|server| server.restorer.state() == State::Arriving)?;
    server.begin()?;
    thread::scope(|scope| {
        // Some read while others put.
        for number in 0..WORKERS {
            let builder = thread::Builder::new().stack_size(STACK);
            let spawned = builder.spawn_scoped(scope, move || worker::work(shared, setup, number));
            if spawned.is_err() {
                setup.give_up(journal, &Failure::NoMemory);
            }
        }
        // Not out of the scope: it would wait for the threads, and they perhaps for a disk.
        match server.work_until(|server| server.shared.read().spaces.is_empty()) {
            Ok(()) => server.end(State::Complete),
            Err(failure) => setup.give_up(journal, &failure),
        }
    })
}

struct Server<'a> {
    setup: &'static Setup,
    journal: Journal,
    shared: &'a Shared,
    restorer: Restorer,
    answerer: Answerer<'a>,
    keeper: BorrowedFd<'static>,
    unanswered: Vec<Fault>,
    published: Instant,
}

/// What there is to do.
#[derive(Default)]
struct Ready {
    keeper_ended: bool,
    starter_ended: bool,
    criu: bool,
    uffds: Vec<RawFd>,
}

impl<'a> Server<'a> {
    fn new(
        setup: &'static Setup,
        journal: &Journal,
        shared: &'a Shared,
        keeper: BorrowedFd<'static>,
    ) -> Result<Self, Failure> {
        let fuse = match journal.descriptor(Field::Fuse) {
            None => Fuse::create().map_err(Failure::system("cannot make a pipe"))?,
            Some(reader) => Fuse::at(reader),
        };
        journal.set(Field::Fuse, fuse.reader().as_raw_fd() as u64);
        setup.publish(journal, None);
        Ok(Self {
            setup,
            journal: journal.clone(),
            shared,
            restorer: Restorer::new(setup, journal, fuse),
            answerer: Answerer::new(setup, shared),
            keeper,
            unanswered: Vec::new(),
            published: Instant::now(),
        })
    }

    /// CRIU is done: from now on all mappings are where they belong.
    fn begin(&mut self) -> Result<(), Failure> {
        if self.journal.get(Field::Since) == 0 {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.journal.set(Field::Since, since.as_millis() as u64);
        }
        self.answerer.is_restored = true;
        self.setup.publish(&self.journal, None);
        self.shared.write().close_all_done()
    }

    fn end(&self, state: State) -> ! {
        self.restorer.disarm();
        self.setup.end(&self.journal, state)
    }

    fn work_until(&mut self, reached: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        while !reached(self) {
            let ready = self.wait()?;
            if let Some(failure) = self.shared.failure() {
                return Err(failure);
            }
            if ready.keeper_ended {
                self.start_keeper()?;
            }
            if ready.criu {
                self.restorer.hear(&mut self.shared.write())?;
            } else if ready.starter_ended {
                self.end(State::Abandoned);
            }
            for uffd in ready.uffds {
                let faults = self.shared.write().read(uffd)?;
                self.unanswered.extend(faults);
            }
            for fault in mem::take(&mut self.unanswered) {
                if !self.answerer.answer(fault)? {
                    self.unanswered.push(fault);
                }
            }
            self.tick()?;
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Failure> {
        if self.answerer.is_restored && self.published.elapsed() >= TICK {
            self.published = Instant::now();
            // Where a doubt was open, see `Memory::close_if_done`.
            self.shared.write().close_all_done()?;
            self.setup.publish(&self.journal, None);
            self.setup.occupy();
        }
        Ok(())
    }

    fn wait(&self) -> Result<Ready, Failure> {
        let uffds: Vec<RawFd> = self.shared.read().spaces.keys().copied().collect();
        let criu = self.restorer.descriptor();
        let starter = (self.restorer.state() == State::Listening).then_some(self.setup.starter);
        let others: Vec<BorrowedFd<'_>> = [Some(self.keeper), criu, starter].into_iter().flatten().collect();
        let borrowed: Vec<BorrowedFd<'_>> = uffds.iter().map(|&uffd| sys::borrow(uffd)).collect();
        let mut fds: Vec<PollFd<'_>> =
            others.iter().chain(&borrowed).map(|file| PollFd::new(file, PollFlags::IN)).collect();
        match poll(&mut fds, self.timeout().as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(source) => return Err(Failure::System { operation: "cannot wait for events", source }),
        }
        let mut is_ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let mut next = |present: bool| present && is_ready.next().unwrap_or(false);
        let (keeper_ended, criu, starter_ended) = (next(true), next(criu.is_some()), next(starter.is_some()));
        let uffds = uffds.into_iter().zip(is_ready).filter_map(|(uffd, is_ready)| is_ready.then_some(uffd)).collect();
        Ok(Ready { keeper_ended, starter_ended, criu, uffds })
    }

    fn timeout(&self) -> Option<Timespec> {
        let timeout = match (self.unanswered.is_empty(), self.answerer.is_restored) {
            (false, _) => RETRY,
            (true, true) => TICK,
            (true, false) => return None,
        };
        Some(Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() })
    }

    /// No worker is inside the allocator meanwhile, as none has the memory's lock.
    fn start_keeper(&mut self) -> Result<(), Failure> {
        let failed = Failure::system("cannot make another keeper");
        sys::reap(self.keeper);
        sys::close(self.keeper.as_raw_fd());
        let shared = self.shared;
        let memory = shared.write();
        let server = sys::keep_open(pidfd_open(getpid(), PidfdFlags::empty()).map_err(&failed)?);
        match sys::fork_with_shared_descriptors().map_err(&failed)? {
            Fork::Child => (self.setup.keeper)(self.setup, &mut self.journal, server),
            Fork::Parent(pid) => {
                self.journal.set(Field::Keeper, pid.as_raw_nonzero().get().cast_unsigned().into());
                self.keeper = sys::keep_open(pidfd_open(pid, PidfdFlags::empty()).map_err(&failed)?);
            }
        }
        drop(memory);
        Ok(())
    }
}
