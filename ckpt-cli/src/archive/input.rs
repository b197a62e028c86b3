//! An archive to read: a file, in which members are read in place, or a stream, which only goes forward.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, stdin};
use std::os::fd::AsFd;
use std::path::Path;

use aligntar::{Compression, Decompressed, StreamSource};
use anyhow::{Context, Result, ensure};
use ckpt_core::archive::ArchiveError;
use ckpt_core::encryption::is_encrypted;
use ckpt_core::restore::Import;

use crate::arguments::IdentityArgument;

/// The stream of an [`Input`], decompressed.
pub(crate) type Stream = StreamSource<io::BufReader<Decompressed<File>>>;

pub(crate) enum Input {
    File(File),
    /// A pipe, or compressed.
    Stream(Box<Stream>),
}

impl Input {
    /// Opens the archive at `path`, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        if is_stdin {
            check_stdin()?;
        }
        let opened = if is_stdin { stdin().as_fd().try_clone_to_owned().map(File::from) } else { File::open(path) };
        let file = opened.with_context(|| format!("open {name}"))?;
        ensure!(!is_encrypted(&file).unwrap_or_default(), ArchiveError::Encrypted { path: path.to_owned() });
        Input::of(file).with_context(|| format!("read {name}"))
    }

    /// The same of an archive that may be encrypted for one of these keys.
    pub(crate) fn open_with(path: &Path, identity: &IdentityArgument) -> Result<Self> {
        let is_stdin = path == Path::new("-");
        if is_stdin {
            check_stdin()?;
        }
        let import = if is_stdin { Import::Stdin } else { path.into() };
        match identity.open_to_look(import, None)? {
            Import::Opened { file, .. } => {
                let mut file = file.try_clone().context("use what was decrypted")?;
                file.rewind().context("use what was decrypted")?;
                Ok(Input::of(file)?)
            }
            _ => Input::open(path),
        }
    }

    fn of(mut file: File) -> Result<Self> {
        // A file that was read from already, as a shell's commands do in turn, goes on from there.
        if file.metadata()?.is_file() && file.stream_position()? == 0 {
            let mut magic = Vec::new();
            file.by_ref().take(Compression::MAGIC_LEN as u64).read_to_end(&mut magic)?;
            file.rewind()?;
            if Compression::of(&magic).is_none() {
                return Ok(Input::File(file));
            }
        }
        Ok(Input::Stream(Box::new(Decompressed::new(file)?.into_source())))
    }
}

/// # Errors
/// If nobody redirected standard input: a person cannot type an archive.
pub(crate) fn check_stdin() -> Result<()> {
    ensure!(!stdin().is_terminal(), "an archive is expected on standard input: redirect it, or name a file");
    Ok(())
}
