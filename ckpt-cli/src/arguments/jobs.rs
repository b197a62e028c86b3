//! `--jobs`: how many threads a command may use.

use std::num::NonZeroUsize;
use std::thread;

use clap::Args;

use super::count;

#[derive(Args)]
pub(crate) struct JobsArgument {
    /// Threads that read or write files; one for each core by default
    #[arg(short, long, value_name = "N", value_parser = count::<NonZeroUsize>)]
    jobs: Option<NonZeroUsize>,
}

impl JobsArgument {
    pub(crate) fn count(&self) -> NonZeroUsize {
        let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.jobs.unwrap_or_else(cores)
    }
}
