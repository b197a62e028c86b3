//! The examples, run as programs on directories made here.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What an example prints. `cargo test` builds it, in the folder next to that of the tests; `cargo test --test examples`
/// alone does not.
fn run(example: &str, arguments: &[&OsStr]) -> Result<String> {
    let this_test = std::env::current_exe()?;
    let programs = this_test.parent().and_then(Path::parent).context("a test lies in target/PROFILE/deps")?;
    let program = programs.join("examples").join(example);
    let output = Command::new(&program)
        .args(arguments)
        .output()
        .with_context(|| format!("{}, of cargo build --examples", program.display()))?;
    ensure!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_example_changes_shows_what_the_example_hide_hides() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [upper, lower] = ["upper", "lower"].map(|name| folder.path().join(name));
    fs::create_dir_all(lower.join("etc"))?;
    fs::create_dir(&upper)?;
    fs::write(lower.join("etc/secret"), "old")?;
    fs::write(upper.join("note"), "new")?;
    let dirs = [upper.as_os_str(), lower.as_os_str()];

    let hide = |path: &str| run("hide", &[&[path.as_ref()], &dirs[..]].concat());
    assert_eq!(hide("etc/secret")?, "a whiteout hides it\n");
    assert_eq!(hide("etc/other")?, "no lower layer shows it\n");
    let changes = run("changes", &dirs)?;
    assert_eq!(changes, "C /\nC /etc\nD /etc/secret\nC /note\n1 files, 2 directories, 1 deleted\n");
    Ok(())
}
