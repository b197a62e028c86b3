//! Work in batches: filled and drained in order by the calling thread, and in between worked on by as many threads as
//! were asked for.

use std::sync::mpsc::sync_channel;
use std::thread;

/// Batches that wait at each thread: enough that none is idle while the calling one is busy.
const AHEAD: usize = 3;

/// Runs `work` between `fill`, which says whether there was anything left, and `drain`. Both see the batches in one
/// order, and drained ones are filled again.
///
/// Without workers, everything happens in the calling thread.
pub(super) fn run<B: Default + Send, E>(
    workers: usize,
    mut fill: impl FnMut(&mut B) -> Result<bool, E>,
    work: impl Fn(&mut B) + Sync,
    mut drain: impl FnMut(&mut B) -> Result<(), E>,
) -> Result<(), E> {
    if workers == 0 {
        let mut batch = B::default();
        while fill(&mut batch)? {
            work(&mut batch);
            drain(&mut batch)?;
        }
        return Ok(());
    }
    thread::scope(|scope| {
        // Each worker has its own queues, and batches go round: that alone keeps their order.
        let queues: Vec<_> = (0..workers)
            .map(|_| {
                let (todo, inbox) = sync_channel::<B>(AHEAD);
                let (outbox, done) = sync_channel::<B>(AHEAD);
                let work = &work;
                scope.spawn(move || {
                    // Either end is closed when the other stops early.
                    while let Ok(mut batch) = inbox.recv() {
                        work(&mut batch);
                        if outbox.send(batch).is_err() {
                            break;
                        }
                    }
                });
                (todo, done)
            })
            .collect();
        let (mut filled, mut drained, mut spare, mut more) = (0, 0, Vec::<B>::new(), true);
        while more || drained < filled {
            while more && filled - drained < workers * AHEAD {
                let mut batch = spare.pop().unwrap_or_default();
                more = fill(&mut batch)?;
                // A worker that is gone has panicked, which the scope passes on.
                if !more || queues[filled % workers].0.send(batch).is_err() {
                    break;
                }
                filled += 1;
            }
            if drained == filled {
                break;
            }
            let Ok(mut batch) = queues[drained % workers].1.recv() else { break };
            drained += 1;
            drain(&mut batch)?;
            spare.push(batch);
        }
        Ok(())
    })
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
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_of_a_worker_comes_out() {
        let _ = run(2, |_: &mut u8| Ok(true), |_| panic!("broken"), |_| Ok::<(), ()>(()));
    }
}
