//! The package for Debian: it installs, shows its manual, completes names, and goes away without a trace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

const CONTAINER: &str = "tabbed-container";
const BEGUN: &str = "ckpt save tabb";
/// The lab has another `ckpt` in front of the package's.
const PATH: &str = "PATH=/usr/bin:/bin";

/// Types the beginning of the name and Tab into a shell on a terminal, and prints all that comes back until the name has
/// been completed. Stands still for as long as the shell needs, up to a minute.
const TYPE_TAB: &str = r#"
import os, pty, select, signal, sys, time
begun, wanted, first, *shell = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(shell[0], shell)
def until(text):
    seen, end = "", time.time() + 60
    while text not in seen and time.time() < end:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096).decode()
    return seen
os.write(terminal, f"{first}; echo rea''dy\n".encode())
until("ready\r\n")
os.write(terminal, f"{begun}\t".encode())
print(until(wanted))
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
"#;

/// What the package's installation may leave: dpkg's own notes and logs.
const OF_DPKG: [&str; 3] = ["/var/lib/dpkg", "/var/log", "/var/cache"];

struct Package {
    file: PathBuf,
    _folder: TempDir,
}

impl Package {
    fn make() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
        let ckpt = xtask.with_file_name("ckpt");
        let out = folder.path().to_str().context("a path of letters")?;
        let ckpt = ckpt.to_str().context("a path of letters")?;
        let made = run(env!("CARGO_BIN_EXE_xtask"), &["lab-deb", "--fast", ckpt, out])?;
        Ok(Package { file: made.trim().into(), _folder: folder })
    }
}

/// Installed as long as this is there.
struct Installed;

impl Installed {
    /// The lab has what the package depends on. Nobody else's pages of the manual are to be looked through.
    fn new(package: &Package) -> Result<Self> {
        let file = package.file.to_str().context("a path of letters")?;
        run("dpkg", &["--install", "--no-triggers", file])?;
        Ok(Installed)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = run("dpkg", &["--purge", "--no-triggers", "ckpt"]);
    }
}

struct Container;

impl Container {
    fn new() -> Result<Self> {
        run("podman", &["create", "--network=none", "--name", CONTAINER, "localhost/busybox", "true"])?;
        Ok(Container)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = run("podman", &["rm", CONTAINER]);
    }
}

#[test]
#[ignore = "needs the lab: cargo xtask test"]
fn btrfs_a_package_installs_shows_its_manual_completes_names_and_leaves_nothing() -> Result<()> {
    let package = Package::make()?;
    let _container = Container::new()?;
    let before = files()?;
    let installed = Installed::new(&package)?;
    ensure!(run("/usr/bin/ckpt", &["--version"])?.starts_with("ckpt "), "another program was installed");
    shows_its_manual()?;
    completes_names()?;
    run("systemctl", &["enable", "ckpt-save@web.timer", "ckpt.socket"])?;
    let with_it = files()?;
    ensure!(with_it.len() > before.len() + 30, "only {} files came", with_it.len() - before.len());
    drop(installed);
    let left: Vec<_> = files()?.difference(&before).cloned().collect();
    ensure!(left.is_empty(), "left behind: {left:?}");
    Ok(())
}

fn shows_its_manual() -> Result<()> {
    let shown = run("man", &["--pager=cat", "ckpt-restore"])?;
    for part in
        ["ckpt-restore - Bring a container back", "EXIT STATUS", "ckpt restore -i web.tar", "/etc/ckpt/ckpt.toml"]
    {
        ensure!(shown.contains(part), "{part} is not in\n{shown}");
    }
    Ok(())
}

fn completes_names() -> Result<()> {
    let of_bash = "source /usr/share/bash-completion/completions/ckpt";
    types_tab(of_bash, &["bash", "--norc", "--noprofile", "-i"])?;
    // It looks in Debian's folder by itself.
    types_tab("autoload -Uz compinit && compinit -u -D", &["zsh", "-f", "-i"])?;
    // With no configuration at all it would not look in the packages' folder; what it keeps for itself is not the package's.
    let asked = run("env", &[PATH, "HOME=/tmp", "fish", "-c", &format!("complete -C '{BEGUN}'")])?;
    ensure!(asked.split_whitespace().next() == Some(CONTAINER), "fish has {asked:?}");
    Ok(())
}

/// In a shell that has run `first`.
fn types_tab(first: &str, shell: &[&str]) -> Result<()> {
    let python = [PATH, "TERM=dumb", "python3", "-c", TYPE_TAB, BEGUN, CONTAINER, first];
    let shown = run("env", &[&python, shell].concat())?;
    ensure!(shown.contains(CONTAINER), "Tab gave {shown:?} in {shell:?}");
    Ok(())
}

/// All that a package could leave.
fn files() -> Result<BTreeSet<String>> {
    let folders = ["/etc", "/opt", "/root", "/run", "/usr", "/var"];
    let found = run("find", &[&folders[..], &["-xdev", "-print"]].concat())?;
    let is_dpkgs = |path: &str| OF_DPKG.iter().any(|folder| path.starts_with(folder));
    Ok(found.lines().filter(|path| !is_dpkgs(path)).map(str::to_owned).collect())
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}\n{said}", arguments.join(" "), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
