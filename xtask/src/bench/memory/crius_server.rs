//! CRIU's own server of pages that come later, for the images of a container of podman.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Read by every CRIU.
const CONFIGURATION: &str = "/etc/criu/default.conf";

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct CriusServer(Child);

impl CriusServer {
    /// Starts it for the images in `images`, and has the next CRIU come to it.
    pub(super) fn start(images: &Path) -> Result<Self> {
        let work = images.parent().context("the images are in a bundle")?;
        let socket = work.join("lazy-pages.socket");
        let mut command = Command::new("criu");
        command.arg("lazy-pages").arg("-D").arg(images).arg("-W").arg(work).args(["-o", "lazy-pages.log"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self(child.context("cannot start criu lazy-pages")?);
        let limit = Instant::now() + PATIENCE;
        while !socket.exists() {
            ensure!(Instant::now() < limit, "criu lazy-pages does not listen at {}", socket.display());
            thread::sleep(Duration::from_millis(1));
        }
        fs::create_dir_all("/etc/criu")
            .and_then(|()| fs::write(CONFIGURATION, "lazy-pages\n"))
            .with_context(|| format!("cannot write {CONFIGURATION}"))?;
        Ok(server)
    }

    /// It ends when all pages have come.
    pub(super) fn end(mut self) -> Result<()> {
        let status = self.0.wait().context("cannot wait for criu lazy-pages")?;
        ensure!(status.success(), "criu lazy-pages: {status}");
        Ok(())
    }
}

impl Drop for CriusServer {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(CONFIGURATION)
            && error.kind() != ErrorKind::NotFound
        {
            eprintln!("cannot remove {CONFIGURATION}: {error}");
        }
        // One that has ended already is not there to be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
