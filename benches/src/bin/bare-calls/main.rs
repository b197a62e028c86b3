//! What packing and unpacking small files costs at least: the system calls that no tool can leave out, on all cores,
//! without an archive format, without any check. `cargo xtask bench tree` measures `ckpt` against it.
//!
//! `bare-calls pack FOLDER FILE` puts the files of a tree into a file; `bare-calls unpack FILE FOLDER` takes them out
//! again, with times but without owners. Data lies in any order, behind as many bytes as a pax header takes.
//!
//! | for each file | calls |
//! |---|---|
//! | packed | open, fstat, flistxattr, read or FICLONERANGE, close; its share of a write of 1 MiB |
//! | unpacked | open, write or FICLONERANGE, futimens, close; its share of a read of 1 MiB |
//!
//! ```text
//! data of all files │ index: a line for each file │ offset of the index, 8 bytes
//! ```

mod index;
mod pack;
mod unpack;

use std::env;
use std::error::Error;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread;

use aligntar::Alignment;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Less is copied, as in `aligntar`; both are measured there.
const CLONE_FROM: u64 = 32 * 1024;

/// How much of a file of `length` bytes is cloned: a tail would have to be copied when the next clone comes behind it.
fn cloned_length(length: u64, fs_block: Alignment) -> u64 {
    if length < CLONE_FROM { 0 } else { fs_block.align_down(length) }
}

/// Unit of reads and writes, in bytes.
const CHUNK: usize = 1 << 20;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["pack", folder, file] => pack::pack(folder.as_ref(), file.as_ref()),
        ["unpack", file, folder] => unpack::unpack(file.as_ref(), folder.as_ref()),
        _ => Err("usage: bare-calls pack FOLDER FILE | bare-calls unpack FILE FOLDER".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare-calls: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does `work` in as many threads as there are cores; gives what each made.
fn on_all_cores<T: Send>(work: impl Fn() -> Outcome<T> + Sync) -> Outcome<Vec<T>> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(&work)).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked")?).collect()
    })
}
