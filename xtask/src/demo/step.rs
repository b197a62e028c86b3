//! One line on the terminal for each thing that takes time.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;

/// Wide enough for every step's name.
const WIDTH: usize = 72;

/// Says what is being done, does it, and says how long it took.
pub(super) fn run<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    print!("  {what:WIDTH$}");
    // Only the moment of appearance depends on it.
    let _ = io::stdout().flush();
    let started = Instant::now();
    let result = work();
    match &result {
        Ok(_) => println!("{:8.2} s", started.elapsed().as_secs_f64()),
        Err(_) => println!("  failed"),
    }
    result
}
