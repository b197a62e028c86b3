//! What a caller asks of copies, beside what is asked of any restore.

use std::num::{NonZeroU32, NonZeroUsize};
use std::thread;

use super::template::Template;
use crate::restore::planned_volumes::VolumeRule;

/// podman waits as long as it works: 16 copies at four a time took 0.65 of the time that they take at two, on 2 cores.
const JOBS_PER_CORE: usize = 2;

/// How many copies, and what each of them is.
#[derive(Clone, Debug)]
pub struct CopiesOptions {
    /// How many.
    pub count: NonZeroU32,
    /// Their names, with a place for the number; by default the container's own, then `-` and the number.
    pub name: Option<Template>,
    /// Ports to publish, each as `podman run -p` takes it, but with a place for the number, and `A+B` for a sum. By
    /// default what the container published, at ports that are free.
    pub publish: Vec<Template>,
    /// What becomes of named volumes.
    pub volumes: VolumeRule,
    /// Whether each is told what it is, in a file `/run/ckpt/clone.json`.
    pub announce: bool,
    /// What the shell in each is to do before it is ready; where that fails, the copy has failed. It finds the copy's
    /// name in `CKPT_NAME` and its number in `CKPT_NUMBER`.
    pub exec: Option<String>,
    /// How many are made at a time; two for each core by default.
    pub jobs: Option<NonZeroUsize>,
    /// Whether those that are ready are removed again where one fails.
    pub all_or_none: bool,
}

impl CopiesOptions {
    /// So many, and nothing asked of them.
    pub fn new(count: NonZeroU32) -> Self {
        CopiesOptions {
            count,
            name: None,
            publish: Vec::new(),
            volumes: VolumeRule::default(),
            announce: false,
            exec: None,
            jobs: None,
            all_or_none: false,
        }
    }

    /// How many are made at a time.
    pub(super) fn jobs(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.jobs.map_or(JOBS_PER_CORE * cores, NonZeroUsize::get).min(self.count.get() as usize)
    }
}
