//! The workspace's test programs and the ignored tests in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::plan::IgnoredTest;
use crate::cargo::{self, Workspace};

/// A line of `cargo --message-format=json`, as far as it is used here.
#[derive(Deserialize)]
pub(super) struct Artifact {
    executable: Option<PathBuf>,
    manifest_path: PathBuf,
    profile: Profile,
    target: Target,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

/// Builds all test programs.
pub(super) fn build(workspace: &Workspace) -> Result<Vec<Artifact>> {
    let output = cargo::command()
        .args(["test", "--workspace", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(&workspace.root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo test")?;
    ensure!(output.status.success(), "the tests do not build");
    let text = String::from_utf8(output.stdout).context("cargo printed no UTF-8")?;
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        .filter(|artifact| artifact.profile.test && artifact.executable.is_some())
        .collect())
}

pub(super) fn ignored_tests(programs: &[Artifact], filter: Option<&str>) -> Result<Vec<IgnoredTest>> {
    let mut tests = Vec::new();
    for artifact in programs {
        let Some(program) = &artifact.executable else {
            continue;
        };
        for name in list(program, filter)? {
            tests.push(IgnoredTest {
                program: program.clone(),
                directory: package(&artifact.manifest_path).to_owned(),
                group: group(&artifact.target.name, &name).to_owned(),
                integration: artifact.target.kind == ["test"],
                name,
            });
        }
    }
    Ok(tests)
}

/// What is run and told together: the tests of a program, or of one of its modules that are named `lab_*`.
fn group<'n>(program: &'n str, test: &'n str) -> &'n str {
    test.split("::").next().filter(|module| module.starts_with("lab_")).unwrap_or(program)
}

fn list(program: &Path, filter: Option<&str>) -> Result<Vec<String>> {
    let output = Command::new(program)
        .args(["--ignored", "--list", "--format", "terse"])
        .args(filter)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{} cannot list its tests: {}", program.display(), output.status);
    let text = String::from_utf8(output.stdout).context("a test's name is no UTF-8")?;
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

fn package(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(manifest)
}

#[cfg(test)]
mod tests {
    use super::group;

    #[test]
    fn files_with_an_idea_are_groups() {
        assert_eq!(group("labs", "lab_fork::btrfs_copies"), "lab_fork");
        assert_eq!(group("clone", "module::privileged_clone"), "clone");
        assert_eq!(group("lab_examples", "btrfs_examples"), "lab_examples");
    }
}
