//! Archives in images: `oci:DIR:TAG`, `docker://HOST/NAME:TAG`.

use std::path::Path;

use anyhow::Result;
use ckpt_core::interrupt::Interrupt;
use ckpt_core::pull;
use ckpt_core::reference::ImageRef;
use ckpt_core::restore::Import;

use crate::progress::ProgressLine;
use crate::spool;

/// The image that `word` names; `None` if it names a file. A file of that name is `./oci:…`.
pub(crate) fn parse_optional(word: &Path) -> Result<Option<ImageRef>> {
    Ok(word.to_str().map(ImageRef::parse_optional).transpose()?.flatten())
}

/// Its archive, fetched and checked.
pub(crate) fn import(image: &ImageRef, interrupt: Option<&Interrupt>, verb: &'static str) -> Result<Import> {
    let mut progress = ProgressLine::new(verb);
    let import = pull::import(image, &spool::folder(), interrupt, &mut progress);
    progress.finish();
    Ok(import?)
}
