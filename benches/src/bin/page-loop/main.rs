//! What it costs at least to bring memory that comes later: each page is read once and put once (UFFDIO_COPY), by as many
//! threads as there are processors, and nobody waits, changes mappings, or watches over it. `cargo xtask bench memory`
//! measures `ckpt` against it.
//!
//! `page-loop FILE` prints how long the whole blocks of the file took, in microseconds.

mod sys;

use std::env;
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use sys::Missing;

/// What a thread reads and puts at a time, in bytes.
const PIECE: u64 = 512 << 10;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let outcome = match &words[..] {
        [file] => File::open(file).map_err(Into::into).and_then(|file| bring(&file)),
        _ => Err("usage: page-loop FILE".into()),
    };
    match outcome {
        Ok(microseconds) => {
            println!("{microseconds}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("page-loop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bring(file: &File) -> Outcome<u128> {
    let page = rustix::param::page_size() as u64;
    let length = file.metadata()?.len() / page * page;
    let (missing, next) = (Missing::new(length)?, AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(|| all_pieces(file, &missing, &next))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("failures are results"))
    })?;
    Ok(started.elapsed().as_micros())
}

fn all_pieces(file: &File, missing: &Missing, next: &AtomicU64) -> Outcome<()> {
    let mut buffer = vec![0; PIECE as usize];
    loop {
        let offset = next.fetch_add(PIECE, Ordering::Relaxed);
        let length = missing.length().saturating_sub(offset).min(PIECE);
        if length == 0 {
            return Ok(());
        }
        let bytes = &mut buffer[..length as usize];
        file.read_exact_at(bytes, offset)?;
        missing.put(offset, bytes)?;
    }
}
