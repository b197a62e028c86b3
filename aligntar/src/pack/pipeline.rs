//! Work in batches: one thread fills them in order, as many as were asked for work on them, and the calling thread
//! drains them in the same order.

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, Builder, Scope};

/// Batches that wait at each thread: enough that none is idle while another one is busy.
const AHEAD: usize = 2;

/// Runs `work` between `fill`, which says whether there was anything left, and `drain`. Both see the batches in one
/// order, and drained ones are filled again.
///
/// Without workers, and where no thread can be started, everything happens in the calling thread.
pub(super) fn run<B: Default + Send, E: Send>(
    workers: usize,
    mut fill: impl FnMut(&mut B) -> Result<bool, E> + Send,
    work: impl Fn(&mut B) + Sync,
    mut drain: impl FnMut(&mut B) -> Result<(), E>,
) -> Result<(), E> {
    run_with(workers, &mut fill, &work, &mut drain).unwrap_or_else(|| run_alone(fill, work, drain))
}

/// `None` if there are no threads to be had: nothing is done then.
fn run_with<B: Default + Send, E: Send>(
    workers: usize,
    fill: &mut (impl FnMut(&mut B) -> Result<bool, E> + Send),
    work: &(impl Fn(&mut B) + Sync),
    drain: &mut impl FnMut(&mut B) -> Result<(), E>,
) -> Option<Result<(), E>> {
    thread::scope(|scope| {
        let (drained, spare) = channel::<B>();
        // Each worker has its own queues, and batches go round: that alone keeps their order. Every end of a queue is
        // closed when the thread at the other one stops early.
        let (todo, done): (Vec<_>, Vec<_>) = (0..workers).map_while(|_| start_worker(scope, work).ok()).unzip();
        if todo.is_empty() {
            return None;
        }
        let filler = Builder::new().spawn_scoped(scope, move || fill_in_turn(&todo, &spare, fill)).ok()?;
        for worker in done.iter().cycle() {
            let Ok(mut batch) = worker.recv() else { break };
            if let Err(error) = drain(&mut batch) {
                return Some(Err(error));
            }
            // Once the filler is done, nobody takes spare batches.
            let _ = drained.send(batch);
        }
        Some(filler.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

fn run_alone<B: Default, E>(
    mut fill: impl FnMut(&mut B) -> Result<bool, E>,
    work: impl Fn(&mut B),
    mut drain: impl FnMut(&mut B) -> Result<(), E>,
) -> Result<(), E> {
    let mut batch = B::default();
    while fill(&mut batch)? {
        work(&mut batch);
        drain(&mut batch)?;
    }
    Ok(())
}

/// A thread that works on each batch, between the queue to it and the queue from it.
fn start_worker<'scope, 'env, B: Send + 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    work: &'scope (impl Fn(&mut B) + Sync),
) -> io::Result<(SyncSender<B>, Receiver<B>)> {
    let (todo, inbox) = sync_channel::<B>(AHEAD);
    let (outbox, done) = sync_channel::<B>(AHEAD);
    Builder::new().spawn_scoped(scope, move || {
        while let Ok(mut batch) = inbox.recv() {
            work(&mut batch);
            if outbox.send(batch).is_err() {
                break;
            }
        }
    })?;
    Ok((todo, done))
}

/// Fills batches, spare ones first, and gives them to the workers in turn.
fn fill_in_turn<B: Default, E>(
    workers: &[SyncSender<B>],
    spare: &Receiver<B>,
    mut fill: impl FnMut(&mut B) -> Result<bool, E>,
) -> Result<(), E> {
    for worker in workers.iter().cycle() {
        let mut batch = spare.try_recv().unwrap_or_default();
        if !fill(&mut batch)? || worker.send(batch).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(workers: usize, count: u64, fail_at: Option<u64>) -> Result<Vec<u64>, u64> {
        let (mut next, mut squares) = (0, Vec::new());
        run(
            workers,
            |batch: &mut u64| {
                *batch = next;
                next += 1;
                Ok(*batch < count)
            },
            |batch| *batch *= *batch,
            |batch| {
                squares.push(*batch);
                if fail_at == Some(*batch) { Err(*batch) } else { Ok(()) }
            },
        )?;
        Ok(squares)
    }

    #[test]
    fn the_order_is_kept_whatever_the_workers() {
        for workers in [0, 1, 2, 7] {
            for count in [0, 1, 5, 1000] {
                assert_eq!(squares(workers, count, None), Ok((0..count).map(|number| number * number).collect()));
            }
            assert_eq!(squares(workers, 1000, Some(49)), Err(49));
        }
    }

    #[test]
    fn a_fill_that_fails_ends_the_run_after_what_came_before() {
        for workers in [0, 2] {
            let (mut next, mut sum) = (0, 0);
            let fill = |batch: &mut u64| {
                *batch = next;
                next += 1;
                if *batch < 100 { Ok(true) } else { Err("full") }
            };
            let drain = |batch: &mut u64| {
                sum += *batch;
                Ok(())
            };
            assert_eq!(run(workers, fill, |_| {}, drain), Err("full"));
            assert_eq!(sum, 4950);
        }
    }

    #[test]
    #[should_panic(expected = "broken")]
    fn a_panic_of_what_fills_comes_out() {
        let _ = run(2, |_: &mut u8| panic!("broken"), |_| {}, |_| Ok::<(), ()>(()));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_of_a_worker_comes_out() {
        let _ = run(2, |_: &mut u8| Ok(true), |_| panic!("broken"), |_| Ok::<(), ()>(()));
    }
}
