//! A new archive: a file that gets its name when it is whole, or standard output. It is compressed on the way.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, stdout};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use aligntar::{ClonePolicy, Padding, WriteOptions, Writer, Written};
use anyhow::{Context, Result, ensure};
use ckpt_core::compression::Compression;
use ckpt_core::output::{Output, OutputError};
use clap::{Args, ValueEnum};

use crate::arguments::{AlignArgument, CompressionArgument, ReflinkArgument, check_named_plain};

/// How a new archive is laid out.
#[derive(Args)]
pub(crate) struct OutputArguments {
    /// Lay file data on blocks of this size: a power of two from 512 to 65536, or auto for that of the file system
    #[arg(long, value_name = "BYTES", default_value = "auto", value_parser = AlignArgument::parse)]
    align: AlignArgument,
    /// What fills the gap in front of a block: a record that all readers ignore, a vendor's record (GNU tar warns), or
    /// headers without a name (most readers fail)
    #[arg(long, value_enum, default_value_t = PaddingArgument::Comment)]
    padding: PaddingArgument,
    /// Compress the archive; by default as its name says (.zst, .tzst, .gz, .tgz)
    #[arg(long, value_enum)]
    compress: Option<CompressionArgument>,
    /// Wait until the archive is on the disk
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    reflink: ReflinkArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum PaddingArgument {
    Comment,
    Vendor,
    Dummy,
}

impl OutputArguments {
    fn write_options(&self) -> WriteOptions {
        let padding = match self.padding {
            PaddingArgument::Comment => Padding::Comment,
            PaddingArgument::Vendor => Padding::Vendor,
            PaddingArgument::Dummy => Padding::DummyHeaders,
        };
        WriteOptions { alignment: self.align.0, padding, clone_policy: self.reflink.policy() }
    }

    /// Makes the archive `path`, or writes it to standard output for `-`, with what `fill` appends. That is told as well
    /// which files are the archive itself, by their device and inode numbers: the new one, and the older one at `path`.
    ///
    /// What was at `path` stays until the new one is whole.
    pub(crate) fn write(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut Writer<'_>, &[(u64, u64)]) -> Result<()>,
    ) -> Result<Written> {
        check_named_plain(path)?;
        self.write_to(Target::open(path, Output::create_with_umask)?, path, fill)
    }

    /// As [`OutputArguments::write`], for nobody but the user to read.
    pub(crate) fn write_private(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut Writer<'_>, &[(u64, u64)]) -> Result<()>,
    ) -> Result<Written> {
        check_named_plain(path)?;
        self.write_to(Target::open(path, Output::create)?, path, fill)
    }

    pub(crate) fn clone_policy(&self) -> ClonePolicy {
        self.reflink.policy()
    }

    pub(crate) fn compression(&self, path: &Path) -> Compression {
        self.compress.map_or_else(|| Compression::of_name(path), Compression::from)
    }

    fn write_to(
        &self,
        target: Target,
        path: &Path,
        fill: impl FnOnce(&mut Writer<'_>, &[(u64, u64)]) -> Result<()>,
    ) -> Result<Written> {
        let itself = target.inodes().context("look at the archive")?;
        let fill = |writer: &mut Writer<'_>| fill(writer, &itself);
        let options = self.write_options();
        let compression = self.compression(path);
        let written = if compression == Compression::None {
            filled(Writer::new(target.file(), options)?, fill)?
        } else {
            ensure!(
                options.clone_policy != ClonePolicy::Required,
                "a compressed archive cannot be made of clones: leave --compress or --reflink always away"
            );
            let mut encoder = compression.encoder(target.file()).context("start the compressor")?;
            let written = filled(Writer::to_stream(&mut encoder, options)?, fill)?;
            encoder.finish().with_context(|| format!("write {}", path.display()))?;
            written
        };
        target.publish(self.sync)?;
        Ok(written)
    }
}

fn filled(mut writer: Writer<'_>, fill: impl FnOnce(&mut Writer<'_>) -> Result<()>) -> Result<Written> {
    fill(&mut writer)?;
    Ok(writer.finish()?)
}

enum Target {
    File(Output),
    Stdout(File),
}

impl Target {
    fn open(path: &Path, create: fn(&Path) -> Result<Output, OutputError>) -> Result<Self> {
        if path != Path::new("-") {
            return Ok(Target::File(create(path)?));
        }
        ensure!(
            !stdout().is_terminal(),
            "an archive is nothing for a terminal: redirect standard output, or name a file"
        );
        let stdout = stdout().as_fd().try_clone_to_owned().context("use standard output")?;
        Ok(Target::Stdout(stdout.into()))
    }

    fn file(&self) -> &File {
        match self {
            Target::File(output) => output.file(),
            Target::Stdout(file) => file,
        }
    }

    /// Device and inode numbers of the file that is written and of the one that it will replace.
    fn inodes(&self) -> io::Result<Vec<(u64, u64)>> {
        let older = match self {
            Target::File(output) => output.path().symlink_metadata().ok(),
            Target::Stdout(_) => None,
        };
        let files = [Some(self.file().metadata()?), older].into_iter().flatten().filter(Metadata::is_file);
        Ok(files.map(|file| (file.dev(), file.ino())).collect())
    }

    fn publish(self, sync: bool) -> Result<()> {
        match self {
            Target::File(output) if sync => output.publish()?,
            Target::File(output) => output.publish_unsynced()?,
            // Pipes and terminals have nothing to be synced.
            Target::Stdout(file) => drop(if sync { file.sync_all() } else { Ok(()) }),
        }
        Ok(())
    }
}
