//! `--align`: blocks that data lies on.

use aligntar::Alignment;
use anyhow::{Context, Result};

/// None: those of the file system.
#[derive(Clone, Copy)]
pub(crate) struct AlignArgument(pub(crate) Option<Alignment>);

impl AlignArgument {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text == "auto" {
            return Ok(AlignArgument(None));
        }
        let bytes = text.parse().context("expected a number of bytes, or auto")?;
        Ok(AlignArgument(Some(Alignment::new(bytes)?)))
    }
}
