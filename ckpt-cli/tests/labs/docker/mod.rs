//! A dockerd with a data root of its own.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::lab::*;

const CONFIGURATION: &str = "/etc/docker/daemon.json";

/// dockerd on a data root of its own, beside podman's storage; it ends with the test.
pub(crate) struct Docker {
    pub(crate) folder: tempfile::TempDir,
    dockerd: Child,
}

impl Docker {
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = folder();
        fs::create_dir_all("/etc/docker").unwrap();
        let data_root = folder.path().join("data");
        fs::write(CONFIGURATION, format!("{{\"data-root\": {data_root:?}}}\n")).unwrap();
        let place = |name: &str| folder.path().join(name);
        let log = fs::File::create(place("log")).unwrap();
        let dockerd = Command::new("dockerd")
            .args(["--storage-driver=overlay2", "--bridge=none", "--iptables=false", "--ip6tables=false"])
            .args(["--ip-forward=false", "--ip-masq=false", "--exec-root"])
            .arg(place("run"))
            .arg("--pidfile")
            .arg(place("pid"))
            .arg("--host")
            .arg(format!("unix://{}", place("sock").display()))
            .args(options)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let docker = Self { folder, dockerd };
        wait_for("dockerd answers", || docker.command(&["info"]).output().unwrap().status.success().then_some(()));
        docker
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("--host").arg(format!("unix://{}", self.folder.path().join("sock").display())).args(arguments);
        command
    }

    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An image without a registry: busybox, a file and a directory.
    pub(crate) fn import_image(&self) {
        let root = self.folder.path().join("image");
        for folder in ["bin", "etc", "d"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
        for name in ["sh", "rm", "mkdir", "touch", "sleep"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::write(root.join("etc/group"), "one\n").unwrap();
        fs::write(root.join("d/old"), "").unwrap();
        let archive = self.folder.path().join("image.tar");
        succeed("tar", &["-C", text(&root), "-cf", text(&archive), "."]);
        self.docker(&["import", text(&archive), "image"]);
    }

    pub(crate) fn layer_dirs(&self, name: &str) -> PathBuf {
        PathBuf::from(self.docker(&["inspect", "--format", &format!("{{{{.GraphDriver.Data.{name}}}}}"), "web"]).trim())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = self.command(&["rm", "--force", "web", "second"]).output();
        let pid = self.dockerd.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.dockerd.wait();
        let _ = fs::remove_file(CONFIGURATION);
    }
}
