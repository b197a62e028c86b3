//! Has the rest of the pages come, front to back, in large pieces.

use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use rustix::param::page_size;

use crate::deliver::{Delivered, Stop, deliver};
use crate::failure::Failure;
use crate::memory::{Next, Piece};
use crate::readers::{Ahead, Reader};
use crate::setup::Setup;
use crate::shared::Shared;
use crate::sys;

/// What one thread reads and puts at a time, in bytes. It stays in the processor's second cache in between.
const PIECE: usize = 512 << 10;
/// How long nothing comes but what somebody waits for.
const STARTER_LIMIT: Duration = Duration::from_millis(500);
/// When to look again for what others have on the way.
const PAUSE: Duration = Duration::from_micros(200);
/// When to try again while a process changes its mappings.
const WHILE_CHANGING: Duration = Duration::from_micros(50);
/// When to try again where there is no memory.
const WITHOUT_MEMORY: Duration = Duration::from_millis(5);

/// Works until there is nothing to come, as the worker of this `number`.
pub(crate) fn work(shared: &Shared, setup: &Setup, number: usize) {
    let worked = catch_unwind(AssertUnwindSafe(|| all_pieces(shared, setup, number)));
    match worked {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => shared.fail(failure),
        Err(panic) => shared.fail(Failure::of_panic(&*panic)),
    }
}

/// Waits until who started the server has ended what it began, or lets it go, and not for long. It is in a hurry for as
/// long, and the processors are few: with two, a restore returned 20 to 30 ms later while two workers had pages come.
/// Only the first worker begins before, and leaves a processor to others, and as much of the disk as the kernel does.
fn wait_for_starter(setup: &Setup, number: usize) -> Ahead {
    if number == 0 && thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        return Ahead::AsTheKernelLikes;
    }
    is_starter_gone(setup, STARTER_LIMIT);
    Ahead::Far
}

/// Whether it is, or goes before `limit` is over.
fn is_starter_gone(setup: &Setup, limit: Duration) -> bool {
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
    // poll(2) tells POLLHUP of a pipe that nobody writes to, whatever was asked for.
    poll(&mut [PollFd::new(&setup.starter, PollFlags::empty())], Some(&limit)).is_ok_and(|gone| gone > 0)
}

fn all_pieces(shared: &Shared, setup: &Setup, number: usize) -> Result<(), Failure> {
    let mut ahead = wait_for_starter(setup, number);
    let mut buffer = vec![0; PIECE];
    loop {
        if ahead != Ahead::Far && is_starter_gone(setup, Duration::ZERO) {
            ahead = Ahead::Far;
        }
        let next = shared.write().take(PIECE as u64);
        match next {
            Next::Nothing => return Ok(()),
            Next::Later => thread::sleep(PAUSE),
            Next::Piece(piece) => one_piece(shared, setup, (Reader::Worker(number, ahead), &piece), &mut buffer)?,
        }
    }
}

fn one_piece(
    shared: &Shared,
    setup: &Setup,
    (reader, piece): (Reader, &Piece),
    buffer: &mut [u8],
) -> Result<(), Failure> {
    let bytes = &mut buffer[..piece.run.len() as usize];
    setup.readers.read(reader, piece.run.source, bytes)?;
    let memory = shared.read();
    let changes = memory.changes;
    let delivered = if memory.is_current(piece) {
        let uffd: BorrowedFd<'_> = sys::borrow(piece.uffd);
        deliver(uffd, piece.run.start, &*bytes, piece.run.len(), page_size() as u64)
    } else {
        Delivered { bytes: 0, put: 0, unmapped: 0, stop: None }
    };
    drop(memory);
    shared.write().delivered(piece, &delivered, changes)?;
    shared.note(&delivered)?;
    match delivered.stop {
        Some(Stop::Changing) => thread::sleep(WHILE_CHANGING),
        Some(Stop::NoMemory) => thread::sleep(WITHOUT_MEMORY),
        _ => {}
    }
    Ok(())
}
