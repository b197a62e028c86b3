//! A line to a registry that breaks.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Passes on what comes to its own port, and cuts connections that have passed so much.
pub(crate) struct Line {
    pub(crate) port: u16,
    counts: Arc<Counts>,
}

struct Counts {
    /// Bytes after which a connection breaks.
    after: u64,
    /// How many still will.
    cuts: AtomicU64,
    passed: AtomicU64,
}

impl Line {
    /// To a port of this machine.
    pub(crate) fn to(port: u16, cuts: u64, after: u64) -> Self {
        let listener = TcpListener::bind(("localhost", 0)).unwrap();
        let counts = Counts { after, cuts: AtomicU64::new(cuts), passed: AtomicU64::new(0) };
        let line = Line { port: listener.local_addr().unwrap().port(), counts: Arc::new(counts) };
        let counts = line.counts.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("localhost", port)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to, counts) = (from.try_clone().unwrap(), to.try_clone().unwrap(), counts.clone());
                    thread::spawn(move || pass(from, to, &counts));
                }
            }
        });
        line
    }

    /// Bytes in both directions.
    pub(crate) fn passed(&self) -> u64 {
        self.counts.passed.load(Ordering::Relaxed)
    }

    pub(crate) fn cuts_left(&self) -> u64 {
        self.counts.cuts.load(Ordering::Relaxed)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, counts: &Counts) {
    let (mut buffer, mut passed) = (vec![0; 64 << 10], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        passed += read as u64;
        counts.passed.fetch_add(read as u64, Ordering::Relaxed);
        let fewer = |cuts: u64| cuts.checked_sub(1);
        let is_cut = || counts.cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok();
        if passed > counts.after && is_cut() || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // The other direction may have ended it.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
