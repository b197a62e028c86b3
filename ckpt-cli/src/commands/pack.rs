//! `ckpt pack`.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use aligntar::{ChangePolicy, MtimePolicy, PackOptions, Packer, SocketPolicy, Timestamp, Writer, Written};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::target::{FileArgument, JobsArgument, TargetArguments};
use crate::display::{Display, Summary, Verbosity};

/// Pack directory trees into an archive whose file data lies on blocks; needs no root and no podman.
///
/// What is in a single directory becomes the root of the archive. Of several paths, and of paths given with -C, each
/// keeps its name, as with tar. Any tar tool reads the archive.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Directories, or files
    #[arg(required = true, value_name = "DIR")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    file: FileArgument,
    /// Look for the paths below this directory, and keep their names
    #[arg(short = 'C', long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Leave out members of this name at any depth, or, with a slash in it, of this path in the archive; `*` stops at a
    /// slash, `**` does not
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave sockets out, which no tar archive can hold, instead of failing
    #[arg(long)]
    skip_sockets: bool,
    /// Give all members this owner and group instead of their own
    #[arg(long, value_name = "UID:GID", value_parser = owner)]
    owner: Option<(u64, u64)>,
    /// Give all members this time of change instead of their own: seconds since 1970
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    mtime: Option<i64>,
    /// With --mtime: only those members that are newer
    #[arg(long, requires = "mtime")]
    clamp_mtime: bool,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    jobs: JobsArgument,
}

pub(crate) fn run(arguments: Arguments, verbosity: Verbosity) -> Result<ExitCode> {
    let started = Instant::now();
    let mut display = Display::new("pack");
    let (written, trouble) = pack(&arguments, &mut display)?;
    display.finish();
    for line in &trouble {
        eprintln!("Error: {line}");
    }
    let summary = Summary { elapsed: started.elapsed(), frozen: None, moved: written.moved };
    summary.print(&arguments.file.file.to_string_lossy(), verbosity);
    Ok(if trouble.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Gives as well what changed meanwhile: the archive is there, but of those files not as they were at any one moment.
fn pack(arguments: &Arguments, display: &mut Display) -> Result<(Written, Vec<String>)> {
    let operands = operands(arguments)?;
    let excluded = excluded(&arguments.exclude)?;
    let older = older_archive(&operands, &arguments.file.file);
    let options = PackOptions {
        exclude: &|path| is_excluded(&excluded, path) || older.as_deref() == Some(path),
        sockets: if arguments.skip_sockets { SocketPolicy::Omit } else { SocketPolicy::Error },
        changes: ChangePolicy::List,
        owner: arguments.owner,
        mtime: mtime(arguments),
        readers: readers(arguments.jobs.count()),
        ..PackOptions::default()
    };
    let mut trouble = Vec::new();
    let fill = |writer: &mut Writer<'_>| {
        let mut count = |_: &[u8], moved| display.count(moved);
        let mut packer = Packer::new(writer, options, &mut count);
        for operand in &operands {
            operand.append(&mut packer)?;
        }
        trouble.extend(packer.changed().iter().map(|change| format!("{:#}", anyhow::anyhow!("{change}"))));
        let sockets = packer.omitted_sockets().iter().map(|path| String::from_utf8_lossy(path).into_owned());
        sockets.for_each(|path| eprintln!("Warning: {path:?} is a socket, it is left out"));
        Ok(())
    };
    let written = arguments.target.write(&arguments.file.file, fill)?;
    Ok((written, trouble))
}

/// Threads that read beside the one that writes. They wait for it and for each other now and then: of 100,000 small
/// files on 2 cores, 3 of them pack some 10 % faster than 2.
fn readers(jobs: usize) -> usize {
    if jobs > 1 { jobs + 1 } else { 0 }
}

/// A path to pack, and its name in the archive.
struct Operand {
    path: PathBuf,
    name: Vec<u8>,
}

impl Operand {
    fn append(&self, packer: &mut Packer<'_, '_>) -> Result<()> {
        let context = || format!("open {}", self.path.display());
        if self.path.metadata().with_context(context)?.is_dir() {
            let root = File::open(&self.path).with_context(context)?;
            return Ok(packer.pack_tree(&root, &self.name)?);
        }
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            bail!("{} has no name", self.path.display());
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let parent = File::open(parent).with_context(|| format!("open {}", parent.display()))?;
        packer.pack_one(&parent, name, self.name.clone())?;
        Ok(())
    }
}

fn operands(arguments: &Arguments) -> Result<Vec<Operand>> {
    let mut names = BTreeSet::new();
    let mut operands = Vec::new();
    for given in &arguments.paths {
        let path = arguments.directory.as_deref().unwrap_or(Path::new("")).join(given);
        let is_lone_directory = arguments.directory.is_none() && arguments.paths.len() == 1 && path.is_dir();
        let name = if is_lone_directory { b".".to_vec() } else { archived_name(given)? };
        ensure!(names.insert(name.clone()), "{} would be in the archive twice", String::from_utf8_lossy(&name));
        operands.push(Operand { path, name });
    }
    Ok(operands)
}

/// The archive that the new one will replace, as a member, if it lies in what is packed: it shall not grow by itself.
fn older_archive(operands: &[Operand], archive: &Path) -> Option<Vec<u8>> {
    let archive = archive.canonicalize().ok()?;
    operands.iter().find_map(|operand| {
        let below = archive.strip_prefix(operand.path.canonicalize().ok()?).ok()?.as_os_str().as_bytes();
        Some(if operand.name == b"." { below.to_vec() } else { [&operand.name, &b"/"[..], below].concat() })
    })
}

/// The path without a root and without `.`: what leads upwards could not be unpacked.
fn archived_name(given: &Path) -> Result<Vec<u8>> {
    let mut name = PathBuf::new();
    for component in given.components() {
        match component {
            Component::Normal(part) => name.push(part),
            Component::ParentDir => bail!("{}: a path in an archive cannot have .. in it, use -C", given.display()),
            _ => {}
        }
    }
    let name = name.as_os_str().as_bytes().to_vec();
    Ok(if name.is_empty() { b".".to_vec() } else { name })
}

fn excluded(globs: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let anywhere = if glob.contains('/') { glob.trim_matches('/').to_owned() } else { format!("**/{glob}") };
        set.add(GlobBuilder::new(&anywhere).literal_separator(true).build()?);
    }
    Ok(set.build()?)
}

fn is_excluded(globs: &GlobSet, path: &[u8]) -> bool {
    !globs.is_empty() && globs.is_match(Path::new(std::ffi::OsStr::from_bytes(path)))
}

fn mtime(arguments: &Arguments) -> MtimePolicy {
    let time = |secs| Timestamp { secs, nanos: 0 };
    match arguments.mtime {
        None => MtimePolicy::Keep,
        Some(secs) if arguments.clamp_mtime => MtimePolicy::Clamp(time(secs)),
        Some(secs) => MtimePolicy::Set(time(secs)),
    }
}

fn owner(text: &str) -> Result<(u64, u64)> {
    let (uid, gid) = text.split_once(':').context("two numbers with a colon between them")?;
    let number = |text: &str| text.parse::<u32>().map(u64::from).context("user and group are numbers");
    Ok((number(uid)?, number(gid)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for (given, expected) in [("a/./b/", "a/b"), ("/etc", "etc"), (".", "."), ("./x", "x"), ("/", ".")] {
            assert_eq!(archived_name(Path::new(given)).unwrap(), expected.as_bytes(), "{given}");
        }
        assert!(archived_name(Path::new("../x")).is_err());
    }

    #[test]
    fn globs_match_names_or_paths() {
        let set = excluded(&["*.o".into(), "/build/tmp".into(), "docs/**".into()]).unwrap();
        for (path, expected) in [
            ("a/b.o", true),
            ("b.o", true),
            ("b.ox", false),
            ("build/tmp", true),
            ("x/build/tmp", false),
            ("docs/a/b", true),
            ("docs", false),
        ] {
            assert_eq!(is_excluded(&set, path.as_bytes()), expected, "{path}");
        }
    }
}
