//! Debian's docker-registry on this machine, over plain HTTP.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const ADDRESS: &str = "localhost:5001";
const PATIENCE: Duration = Duration::from_secs(30);

/// A registry that ends with this value.
pub(super) struct Registry {
    server: Child,
    folder: PathBuf,
}

impl Registry {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let folder = folder.to_owned();
        let configuration = folder.join("registry.yml");
        let blobs = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{ADDRESS}'}}\n",
            blobs.display()
        );
        fs::write(&configuration, text).context("cannot write the registry's configuration")?;
        let told = format!("[[registry]]\nlocation = '{ADDRESS}'\ninsecure = true\n");
        fs::write(folder.join("registries.conf"), told).context("cannot write registries.conf")?;
        let log = File::create(folder.join("registry.log")).context("cannot make the registry's log")?;
        let mut server = Command::new("docker-registry");
        server.arg("serve").arg(&configuration).stdout(log.try_clone()?).stderr(log);
        let registry = Registry { server: server.spawn().context("cannot start docker-registry")?, folder };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(ADDRESS).is_err() {
            if Instant::now() > until {
                bail!("docker-registry does not answer");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    /// Forgets all images.
    pub(super) fn empty(&self) -> Result<()> {
        match fs::remove_dir_all(self.folder.join("registry")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).context("cannot empty the registry")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn image(&self, name: &str) -> String {
        format!("{ADDRESS}/{name}")
    }

    /// A program that is told of it.
    pub(super) fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).env("CONTAINERS_REGISTRIES_CONF", self.folder.join("registries.conf"));
        command
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // The lab ends it as well.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
