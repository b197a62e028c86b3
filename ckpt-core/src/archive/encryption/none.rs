//! Without the feature `encryption` there is nobody to encrypt for.

use std::io::{self, Write};

/// See the feature `encryption`.
#[derive(Clone, Debug)]
pub(crate) enum Recipients {}

impl Recipients {
    pub(crate) fn seal(&self, _: impl Write, _: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match *self {}
    }
}
