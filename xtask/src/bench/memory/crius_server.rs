//! CRIU's own server of pages that come later, for the images of a container of podman.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Read by every CRIU.
const CONFIGURATION: &str = "/etc/criu/default.conf";

const PATIENCE: Duration = Duration::from_secs(10);

/// CRIU's configuration for as long as this value lives: with one line more than it had.
///
/// What it has must stay: on hosts with cgroups of version 1, the lab's keeps CRIU from making groups anew.
struct WithLazyPages {
    path: PathBuf,
    before: Option<String>,
}

impl WithLazyPages {
    fn at(path: &Path) -> Result<Self> {
        let before = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.with_context(|| format!("cannot read {}", path.display()))?),
        };
        let folder = path.parent().context("the configuration has a folder")?;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = format!("{}\nlazy-pages\n", before.as_deref().unwrap_or_default());
        let configuration = Self { path: path.to_owned(), before };
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(configuration)
    }
}

impl Drop for WithLazyPages {
    fn drop(&mut self) {
        let put_back = match &self.before {
            Some(before) => fs::write(&self.path, before),
            None => fs::remove_file(&self.path),
        };
        if let Err(error) = put_back {
            eprintln!("cannot put back {}: {error}", self.path.display());
        }
    }
}

pub(super) struct CriusServer {
    child: Child,
    _configuration: WithLazyPages,
}

impl CriusServer {
    /// Starts it for the images in `images`, and has the next CRIU come to it.
    pub(super) fn start(images: &Path) -> Result<Self> {
        let work = images.parent().context("the images are in a bundle")?;
        let socket = work.join("lazy-pages.socket");
        let mut command = Command::new("criu");
        command.arg("lazy-pages").arg("-D").arg(images).arg("-W").arg(work).args(["-o", "lazy-pages.log"]);
        let configuration = WithLazyPages::at(Path::new(CONFIGURATION))?;
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.context("cannot start criu lazy-pages")?;
        let server = Self { child, _configuration: configuration };
        let limit = Instant::now() + PATIENCE;
        while !socket.exists() {
            ensure!(Instant::now() < limit, "criu lazy-pages does not listen at {}", socket.display());
            thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// It ends when all pages have come.
    pub(super) fn end(mut self) -> Result<()> {
        let status = self.child.wait().context("cannot wait for criu lazy-pages")?;
        ensure!(status.success(), "criu lazy-pages: {status}");
        Ok(())
    }
}

impl Drop for CriusServer {
    fn drop(&mut self) {
        // One that has ended already is not there to be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_configured_before_stays_and_is_as_before_afterwards() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("criu/default.conf");
        drop(WithLazyPages::at(&path)?);
        assert!(!path.exists());
        fs::write(&path, "ghost-limit 1G")?;
        let with = WithLazyPages::at(&path)?;
        assert_eq!(fs::read_to_string(&path)?, "ghost-limit 1G\nlazy-pages\n");
        drop(with);
        assert_eq!(fs::read_to_string(&path)?, "ghost-limit 1G");
        Ok(())
    }
}
