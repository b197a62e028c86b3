//! The page of `ckpt inspect --html` in a real browser: it draws in light and dark, has nothing to complain of, and asks
//! nobody for anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::cargo::Workspace;
use crate::lab::{self, FileSystem, Lab, LabOptions};

/// Chromium's numbers for the schemes that a page can ask for.
const SCHEMES: [(&str, u8); 2] = [("light", 1), ("dark", 0)];

/// What the browser says of a page that failed, on standard error.
const COMPLAINTS: [&str; 2] = ["CONSOLE", "Refused to"];

/// Names that would be markup if they were not told as text.
const CONTAINER: &str = r#"
podman run -d --name page -e 'MARKUP=</script><img src=http://192.0.2.1/x onerror=alert(1)>' localhost/busybox sh -c '
    mkdir -p "/srv/<img src=http:"; head -c 3000000 /dev/urandom > "/srv/<img src=http:/<script>alert(1)<"
    while :; do sleep 1; done' &&
sleep 1 && ckpt checkpoint page -e /tmp/page.tar && ckpt inspect /tmp/page.tar --environment --html "$1"
"#;

/// Makes the page of a real container in the lab, and has Chromium show it. Pictures are left in `target/page`.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    lab::install_missing(&[("chromium", "chromium")])?;
    let folder = workspace.target.join("page");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let page = folder.join("page.html");
    make(&page)?;
    for (scheme, number) in SCHEMES {
        show(&page, &folder.join(format!("{scheme}.png")), number).with_context(|| format!("the {scheme} page"))?;
    }
    Ok(())
}

fn make(page: &Path) -> Result<()> {
    let image_gib = lab::DEFAULT_IMAGE_GIB;
    let lab =
        Lab::open(&LabOptions { fs: FileSystem::Btrfs, fresh: true, no_build: true, image_gib, direct_io: false })?;
    let mut command = lab.command("sh");
    let status = lab.run(command.args(["-c", CONTAINER, "sh"]).arg(page))?;
    ensure!(status.success(), "no page was made in the lab: {status}");
    Ok(())
}

fn show(page: &Path, picture: &Path, scheme: u8) -> Result<()> {
    let profile = tempfile::tempdir().context("cannot make a folder for the browser")?;
    let log = profile.path().join("net.json");
    let mut chromium = Command::new("chromium");
    chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]);
    chromium.args(["--disable-component-update", "--disable-sync", "--enable-logging=stderr", "--hide-scrollbars"]);
    chromium.args(["--window-size=1000,1600", "--virtual-time-budget=5000"]);
    chromium.arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    chromium.arg(format!("--user-data-dir={}", profile.path().display()));
    chromium.arg(format!("--log-net-log={}", log.display())).arg(format!("--screenshot={}", picture.display()));
    let output = chromium.arg(format!("file://{}", page.display())).output().context("cannot start chromium")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && picture.exists(), "chromium: {}\n{said}", output.status);
    if let Some(line) = said.lines().find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint))) {
        bail!("the browser complains: {line}");
    }
    let asked = hosts_asked(&fs::read_to_string(&log).context("the browser kept no log of its requests")?)?;
    ensure!(!asked.contains("192.0.2.1"), "a name became a request: {asked:?}");
    let strangers: Vec<_> = asked.iter().filter(|host| !is_chromiums_own(host)).collect();
    ensure!(strangers.is_empty(), "the page asked {strangers:?}");
    Ok(())
}

/// What the browser looks for by itself, whatever page it shows.
fn is_chromiums_own(host: &str) -> bool {
    ["google.com", "googleapis.com", "gvt1.com"].iter().any(|of| host == *of || host.ends_with(&format!(".{of}")))
}

/// What is read of Chromium's log of its network.
#[derive(Deserialize)]
struct Log {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    params: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    url: Option<String>,
}

fn hosts_asked(log: &str) -> Result<BTreeSet<String>> {
    let log: Log = serde_json::from_str(log).context("the browser's log is not what it was")?;
    let urls = log.events.into_iter().filter_map(|event| event.params?.url);
    let host = |url: String| {
        let rest = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("http"))?.1;
        rest.split(['/', ':', '?']).next().map(str::to_owned)
    };
    Ok(urls.filter_map(host).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_requests_over_the_network() {
        let log = r#"{"constants":{},"events":[{"type":1},{"params":{}},{"params":{"url":"file:///x"}},
            {"params":{"url":"https://www.example.org:8/a?b"}},{"params":{"url":"http://192.0.2.1/x","method":"GET"}}]}"#;
        let hosts = hosts_asked(log).unwrap();
        assert_eq!(hosts.iter().collect::<Vec<_>>(), ["192.0.2.1", "www.example.org"]);
        assert!(is_chromiums_own("clients2.google.com") && !is_chromiums_own("notgoogle.com"));
    }
}
