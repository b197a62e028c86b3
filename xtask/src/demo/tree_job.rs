//! The demo without root: a folder is packed and unpacked, by `ckpt` and by tar.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use super::comparison::Comparison;
use super::outcome::{Cost, Names, Outcome, table};
use super::step;
use crate::bench::{Disk, Interrupt, measure};
use crate::cargo::Workspace;

const BIG_FILES: u64 = 5;
const BIG_FILE_BYTES: u64 = 50_000_000;
const SMALL_FILES: usize = 500;

/// All in a folder of its own beside the build, which is removed at the end.
pub(super) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let folder = tempfile::Builder::new()
        .prefix("demo-")
        .tempdir_in(&workspace.target)
        .with_context(|| format!("cannot make a folder in {}", workspace.target.display()))?;
    let job = Job { folder: folder.path().to_owned(), disk: Disk::of(folder.path())?, interrupt: Interrupt::listen()? };
    step::run("make a folder with 250 MB in big and small files, links and odd modes", || job.make_tree())?;
    let ckpt = workspace.ckpt();
    let ours = job.outcome(
        "ckpt",
        &ckpt,
        &["pack", "-C", "tree", ".", "-f", "ckpt.tar"],
        &["unpack", "ckpt.tar", "-C", "ckpt"],
    )?;
    let tar = Path::new("tar");
    let flags = ["--format=posix", "-C", "tree", "-cf", "tar.tar", "."];
    let other = job.outcome("tar", tar, &flags, &["-C", "tar", "-xpf", "tar.tar"])?;
    println!("\n{}", table(&Names { save: "pack", copy: "unpack", other: "tar" }, &ours, &other));
    println!("Where the file system can clone (BTRFS, XFS), ckpt shares blocks; elsewhere it copies, as tar does.");
    Ok(if ours.tree.is_identical() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Job {
    folder: PathBuf,
    disk: Disk,
    interrupt: Interrupt,
}

impl Job {
    fn make_tree(&self) -> Result<()> {
        let tree = self.folder.join("tree");
        fs::create_dir(&tree)?;
        for number in 0..BIG_FILES {
            random_file(&tree.join(format!("big{number}")), BIG_FILE_BYTES)?;
        }
        for number in 0..SMALL_FILES {
            let folder = tree.join(format!("folder{}", number % 10));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("small{number}")), format!("file {number}\n").repeat(number))?;
        }
        symlink("folder0/small0", tree.join("symlink"))?;
        fs::hard_link(tree.join("folder1/small1"), tree.join("hardlink"))?;
        fs::set_permissions(tree.join("big0"), fs::Permissions::from_mode(0o751))?;
        let mut hole = File::create(tree.join("hole"))?;
        hole.seek(SeekFrom::Start(10_000_000))?;
        hole.write_all(b"end")?;
        Ok(())
    }

    /// Packs `tree` and unpacks it to the folder `name`.
    fn outcome(&self, name: &str, program: &Path, pack: &[&str], unpack: &[&str]) -> Result<Outcome> {
        let copy = self.folder.join(name);
        fs::create_dir(&copy)?;
        let pack = self.timed(name, program, pack)?;
        let unpack = self.timed(name, program, unpack)?;
        let compare = || Comparison::of(&self.folder.join("tree"), &copy);
        let tree = step::run("compare, byte by byte", compare)?;
        Ok(Outcome { save: pack, copy: unpack, counter: None, tree })
    }

    fn timed(&self, name: &str, program: &Path, arguments: &[&str]) -> Result<Cost> {
        self.interrupt.check()?;
        let used = self.disk.used_when_idle()?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        let line = format!("{name} {}", arguments.join(" "));
        let elapsed = step::run(&line, || Ok(measure(&mut command)?.elapsed))?;
        let grown_bytes = self.disk.used_when_idle()?.cast_signed().wrapping_sub(used.cast_signed());
        Ok(Cost { elapsed, grown_bytes })
    }
}

fn random_file(path: &Path, bytes: u64) -> Result<()> {
    let mut random = File::open("/dev/urandom").context("cannot open /dev/urandom")?.take(bytes);
    let mut file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    io::copy(&mut random, &mut file).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}
