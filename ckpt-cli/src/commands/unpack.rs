//! `ckpt unpack`.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use aligntar::{Limits, PlainParents, Reader, Source, Transferred, UnpackOptions, Unpacker};
use anyhow::{Context, Result, ensure};
use clap::Args;
use globset::{Glob, GlobSet, GlobSetBuilder};

use super::CloneArgument;
use super::input::Input;
use super::target::JobsArgument;
use crate::display::{Display, Summary, Verbosity};

/// Unpack any tar archive, compressed with zstd or gzip or not, below a directory and never outside of it; needs no
/// root and no podman.
///
/// Files that are there already are replaced. As root, owners are given back as well.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The archive; - for standard input
    archive: PathBuf,
    /// Members to unpack, with all that is below them; all if none is named
    #[arg(value_name = "MEMBER")]
    members: Vec<PathBuf>,
    /// The directory to unpack in
    #[arg(short = 'C', long, default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// Leave files to whoever unpacks them, also as root
    #[arg(long)]
    no_same_owner: bool,
    /// Restore these extended attributes as well, which others act upon: security.capability, trusted.*, …
    #[arg(long, value_name = "GLOB")]
    xattr: Vec<String>,
    #[command(flatten)]
    clone: CloneArgument,
    #[command(flatten)]
    jobs: JobsArgument,
}

pub(crate) fn run(arguments: Arguments, verbosity: Verbosity) -> Result<()> {
    let started = Instant::now();
    let mut display = Display::new("unpack");
    let moved = unpack(&arguments, &mut display).with_context(|| arguments.archive.display().to_string())?;
    display.finish();
    let summary = Summary { elapsed: started.elapsed(), frozen: None, moved };
    summary.print(&arguments.archive.to_string_lossy(), verbosity);
    Ok(())
}

fn unpack(arguments: &Arguments, display: &mut Display) -> Result<Transferred> {
    let directory = &arguments.directory;
    let target = File::open(directory).with_context(|| format!("open the directory {}", directory.display()))?;
    let asked_for = asked_for(&arguments.xattr)?;
    let by_default = UnpackOptions::default().keep_xattr;
    let options = UnpackOptions {
        // Only root may give files away.
        owner: rustix::process::geteuid().is_root() && !arguments.no_same_owner,
        keep_xattr: &|name| by_default(name) || asked_for.is_match(Path::new(std::ffi::OsStr::from_bytes(name))),
        clone_policy: arguments.clone.policy(),
        threads: NonZeroUsize::new(arguments.jobs.count()).expect("clap let no zero in"),
        ..UnpackOptions::default()
    };
    let mut parents = PlainParents;
    let mut unpacker = Unpacker::new(target.as_fd(), options, &mut parents)?;
    let mut wanted = Wanted::new(&arguments.members);
    match Input::open(&arguments.archive)? {
        Input::File(file) => unpack_all(&mut Reader::open(&file)?, &mut wanted, &mut unpacker, display)?,
        Input::Stream(stream) => {
            let mut reader = Reader::new(*stream, Limits::default());
            unpack_all(&mut reader, &mut wanted, &mut unpacker, display)?;
            // Whoever writes the stream must not find it closed.
            reader.into_source().drain().context("read to the end")?;
        }
    }
    let moved = unpacker.finish()?;
    wanted.check()?;
    Ok(moved)
}

fn unpack_all<S: Source>(
    reader: &mut Reader<S>,
    wanted: &mut Wanted<'_>,
    unpacker: &mut Unpacker<'_>,
    display: &mut Display,
) -> Result<()> {
    while let Some(entry) = reader.next_entry()? {
        if wanted.has(&entry.member.path) {
            display.count(unpacker.unpack(&entry, reader.source_mut())?);
        }
    }
    Ok(())
}

fn asked_for(globs: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob)?);
    }
    Ok(set.build()?)
}

/// The members that were named, and which of them the archive has.
struct Wanted<'a> {
    members: Vec<(&'a Path, bool)>,
}

impl<'a> Wanted<'a> {
    fn new(members: &'a [PathBuf]) -> Self {
        Wanted { members: members.iter().map(|member| (member.as_path(), false)).collect() }
    }

    fn has(&mut self, path: &[u8]) -> bool {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let mut is_wanted = self.members.is_empty();
        for (member, found) in &mut self.members {
            // The root and what is below it, however it is spelled: components leave `.` out.
            if path.components().collect::<PathBuf>().starts_with(member.strip_prefix(".").unwrap_or(member)) {
                (*found, is_wanted) = (true, true);
            }
        }
        is_wanted
    }

    fn check(&self) -> Result<()> {
        let missing = self.members.iter().find(|(_, found)| !found);
        ensure!(
            missing.is_none(),
            "the archive has no member {}",
            missing.map_or(Path::new(""), |(path, _)| path).display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_members_come_with_all_below_them() {
        let members = ["a/b".into(), "./c/".into(), "gone".into()];
        let mut wanted = Wanted::new(&members);
        for (path, expected) in [("a/b", true), ("a/b/c", true), ("a", false), ("a/bc", false), ("c/d", true)] {
            assert_eq!(wanted.has(path.as_bytes()), expected, "{path}");
        }
        assert!(wanted.check().unwrap_err().to_string().contains("gone"));
        assert!(Wanted::new(&[]).has(b"anything"));
    }
}
