//! The programs that take part: CRIU, podman, the OCI runtimes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::finding::{Finding, Verdict};
use super::sockets;
use crate::engine::versions::{NEWEST, OLDEST, numbers};
use crate::host::interrupt::Interrupt;
use crate::host::programs;

/// The oldest criu that podman takes, and the oldest that it takes for pods (pkg/criu).
const CRIU: (u32, u32) = (3, 11);
const CRIU_PODS: (u32, u32) = (3, 16);

pub(super) fn examine(is_root: bool, interrupt: Option<&Interrupt>) -> Vec<Finding> {
    let criu = programs::find("criu");
    let mut findings = vec![version("criu", criu.as_deref().ok(), CRIU, is_root, interrupt)];
    if let Ok(criu) = &criu {
        if findings[0].verdict == Verdict::Ok && older(&findings[0].found, CRIU_PODS) {
            findings[0] = Finding::warning("criu", findings[0].found.clone(), "pods need 3.16 or newer");
        }
        let sockets = sockets::examine(&findings[0].found);
        findings.push(criu_check(criu, is_root, interrupt));
        findings.push(sockets);
        findings.push(dirty_tracking(criu, is_root, interrupt));
        findings.push(lazy_restore(criu, is_root, interrupt));
    }
    findings.push(podman(is_root, interrupt));
    findings.extend(runtimes(interrupt));
    findings
}

/// One that is too new is refused as well, see [`EngineError::Untried`](podman::EngineError::Untried).
fn podman(is_root: bool, interrupt: Option<&Interrupt>) -> Finding {
    let program = programs::find("podman");
    let found = version("podman", program.as_deref().ok(), (OLDEST, 0), is_root, interrupt);
    match numbers(&found.found) {
        Some((major, _)) if found.verdict == Verdict::Ok && major > NEWEST => {
            Finding::problem("podman", found.found, "never tried with this ckpt: use podman 5, or --force")
        }
        _ => found,
    }
}

/// What the program says of its version, and whether it is new enough. Some podmans tell it to root only.
fn version(
    check: &'static str,
    path: Option<&Path>,
    oldest: (u32, u32),
    is_root: bool,
    interrupt: Option<&Interrupt>,
) -> Finding {
    let Some(path) = path else {
        return Finding::problem(check, "not in PATH", format!("install the package {check}"));
    };
    let said = first_line(path, interrupt);
    let silent = || format!("{} does not tell its version", path.display());
    match numbers(&said) {
        None if is_root => Finding::problem(check, silent(), format!("see what `{check} --version` says")),
        None => Finding::unknown(check, silent(), "try again with sudo"),
        Some(found) if found < oldest => {
            Finding::problem(check, said, format!("too old: install {}.{} or newer", oldest.0, oldest.1))
        }
        Some(_) => Finding::ok(check, said),
    }
}

fn first_line(path: &Path, interrupt: Option<&Interrupt>) -> String {
    version_text(path, interrupt).lines().next().unwrap_or_default().trim().to_owned()
}

fn version_text(path: &Path, interrupt: Option<&Interrupt>) -> String {
    let output = programs::run(Command::new(path).arg("--version"), interrupt);
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn older(text: &str, than: (u32, u32)) -> bool {
    numbers(text).is_some_and(|found| found < than)
}

fn criu_check(criu: &Path, is_root: bool, interrupt: Option<&Interrupt>) -> Finding {
    if !is_root {
        return Finding::unknown("criu check", "only root can run it", "try again with sudo");
    }
    match programs::run(Command::new(criu).arg("check"), interrupt) {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rev().find(|line| !line.trim().is_empty());
            Finding::ok("criu check", last.unwrap_or("content").trim())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let complaints: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            let first = complaints.first().copied().unwrap_or("it failed without a word");
            Finding::problem("criu check", first, "install a criu that fits this kernel; `criu check` says more")
        }
        Err(error) => Finding::problem("criu check", error.to_string(), "install criu anew"),
    }
}

/// What pre-checkpoints need: the kernel says which pages were written since.
fn dirty_tracking(criu: &Path, is_root: bool, interrupt: Option<&Interrupt>) -> Finding {
    let advice = "pre-checkpoints are not possible: use a kernel with CONFIG_MEM_SOFT_DIRTY=y for them";
    let found = Found { yes: "in the kernel", no: "not in the kernel", advice };
    feature(criu, ("dirty page tracking", "mem_dirty_track"), &found, is_root, interrupt)
}

/// What `restore --lazy` needs: CRIU opens a userfaultfd and asks for all events of it.
fn lazy_restore(criu: &Path, is_root: bool, interrupt: Option<&Interrupt>) -> Finding {
    let advice = "--lazy brings the memory first: use a kernel with CONFIG_USERFAULTFD=y, and allow userfaultfd(2)";
    let found = Found { yes: "possible, tried", no: "not possible, tried", advice };
    feature(criu, ("lazy restore", "uffd-noncoop"), &found, is_root, interrupt)
}

/// What is said of a feature.
struct Found {
    yes: &'static str,
    no: &'static str,
    advice: &'static str,
}

/// Has CRIU try one of its features, by the name that `criu check` has for it.
fn feature(
    criu: &Path,
    (check, name): (&'static str, &str),
    found: &Found,
    is_root: bool,
    interrupt: Option<&Interrupt>,
) -> Finding {
    if !is_root {
        return Finding::unknown(check, "only root can find out", "try again with sudo");
    }
    let tried = programs::run(Command::new(criu).args(["check", "--feature", name]), interrupt);
    match tried.is_ok_and(|output| output.status.success()) {
        true => Finding::ok(check, found.yes),
        false => Finding::warning(check, found.no, found.advice),
    }
}

fn runtimes(interrupt: Option<&Interrupt>) -> Vec<Finding> {
    let found: Vec<(&'static str, PathBuf)> =
        ["crun", "runc"].into_iter().filter_map(|name| Some((name, programs::find(name).ok()?))).collect();
    if found.is_empty() {
        return vec![Finding::problem("runtime", "neither crun nor runc in PATH", "install the package crun or runc")];
    }
    found.into_iter().map(|(name, path)| runtime(name, &path, interrupt)).collect()
}

/// crun can be built without CRIU; it lists what it was built with.
fn runtime(name: &'static str, path: &Path, interrupt: Option<&Interrupt>) -> Finding {
    let said = first_line(path, interrupt);
    match (name, numbers(&said)) {
        (_, None) => Finding::warning(name, format!("{} does not tell its version", path.display()), "install it anew"),
        ("crun", _) if !version_text(path, interrupt).contains("+CRIU") => {
            Finding::warning(name, format!("{said}, built without CRIU"), "use runc, or a crun with +CRIU")
        }
        _ => Finding::ok(name, said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(older("Version: 3.15", CRIU_PODS) && !older("Version: 3.16.1", CRIU_PODS));
    }
}
