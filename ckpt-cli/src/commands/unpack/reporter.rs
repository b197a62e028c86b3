//! Says what could not be unpacked, one line for each.

use aligntar::{ShownName, UnpackError, UnpackObserver};
use anyhow::{Error, Result, ensure};

use crate::messages::{err, warn};
use crate::progress::Lines;

/// Lines that are printed; nobody reads more of them, and a hostile archive has no end of them.
const PRINTED: u64 = 1000;

pub(super) struct Reporter {
    lines: Lines,
    fail_fast: bool,
    failures: u64,
}

impl Reporter {
    pub(super) fn new(lines: Lines, fail_fast: bool) -> Self {
        Reporter { lines, fail_fast, failures: 0 }
    }

    /// # Errors
    /// If there was anything to tell.
    pub(super) fn check(&self) -> Result<()> {
        let more = match self.failures.saturating_sub(PRINTED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        ensure!(self.failures == 0, "all is unpacked but for what is said above{more}");
        Ok(())
    }

    fn print(&self, say: impl FnOnce()) {
        if self.failures <= PRINTED {
            self.lines.suspend(say);
        }
    }
}

impl UnpackObserver for Reporter {
    fn failed(&mut self, error: UnpackError) -> Result<(), UnpackError> {
        if self.fail_fast {
            return Err(error);
        }
        self.failures += 1;
        self.print(|| err(format_args!("{:#}", Error::new(error))));
        Ok(())
    }

    fn followed(&mut self, link: ShownName, target: ShownName) {
        self.print(|| {
            warn(format_args!("{link:?} is a symbolic link of the archive: what is below it goes to {target:?}"))
        });
    }
}
