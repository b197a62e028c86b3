//! The files of a package, where Debian's policy has them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::step::{output_of, succeed};

/// Each shell's name, and where it looks for the completion of a command.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/ckpt"),
    ("zsh", "usr/share/zsh/vendor-completions/_ckpt"),
    ("fish", "usr/share/fish/vendor_completions.d/ckpt.fish"),
];

/// zsh reads a file of that folder at the first Tab, and takes it for the function that answers.
const OF_THE_FIRST_TAB: &[u8] = b"\n_clap_dynamic_completer_ckpt \"$@\"\n";

/// Folders with units of systemd.
const UNITS: [&str; 2] = ["ckpt-cli/systemd", "ckpt-cli/ckpt-serve/systemd"];

/// In the source, and below usr/share/doc/ckpt.
const DOCUMENTS: [(&str, &str); 2] = [("README.md", "README.md"), ("CHANGELOG.md", "changelog")];

/// Lays all files of the package below `root`.
pub(super) fn lay(source: &Path, ckpt: &Path, root: &Path) -> Result<()> {
    copy(ckpt, &root.join("usr/bin/ckpt"), 0o755)?;
    manual(ckpt, &root.join("usr/share/man/man1"))?;
    for (shell, path) in SHELLS {
        // It calls itself by the name it was called by.
        let mut script = output_of(Command::new(ckpt).arg0("ckpt").env("CKPT_COMPLETE", shell))?;
        if shell == "zsh" {
            script.extend(OF_THE_FIRST_TAB);
        }
        write(&root.join(path), &script)?;
    }
    for folder in UNITS {
        for unit in files_in(&source.join(folder))? {
            let name = unit.file_name().context("a unit has a name")?;
            copy(&unit, &root.join("usr/lib/systemd/system").join(name), 0o644)?;
        }
    }
    documents(source, &root.join("usr/share/doc/ckpt"))
}

fn manual(ckpt: &Path, folder: &Path) -> Result<()> {
    succeed(Command::new(ckpt).arg("manual").arg(folder))?;
    compress(&files_in(folder)?)
}

fn documents(source: &Path, folder: &Path) -> Result<()> {
    for (from, to) in DOCUMENTS {
        copy(&source.join(from), &folder.join(to), 0o644)?;
    }
    let copyright = format!(
        "ckpt {} is under either of two licences, as you like: Apache-2.0, which is in\n\
         /usr/share/common-licenses/Apache-2.0, or the following one.\n\n{}",
        env!("CARGO_PKG_VERSION"),
        fs::read_to_string(source.join("LICENSE-MIT")).context("cannot read LICENSE-MIT")?
    );
    write(&folder.join("copyright"), copyright.as_bytes())?;
    compress(&[folder.join("changelog")])
}

/// `-n`: neither name nor time goes into the file.
fn compress(files: &[PathBuf]) -> Result<()> {
    succeed(Command::new("gzip").arg("-9n").args(files))
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || -> io::Result<Vec<PathBuf>> { fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect() };
    let mut files = read().with_context(|| format!("cannot read {}", folder.display()))?;
    files.sort();
    Ok(files)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let read = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, &read)?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).context("cannot set the mode")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().context("it lies in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .with_context(|| format!("cannot write {}", path.display()))
}
