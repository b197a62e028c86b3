//! A real dockerd of the distribution, with a container made, changed and looked at.

mod lab;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lab::*;

const CONFIGURATION: &str = "/etc/docker/daemon.json";

/// dockerd on a data root of its own, beside podman's storage; it ends with the test.
struct Docker {
    folder: tempfile::TempDir,
    dockerd: Child,
}

impl Docker {
    fn start(options: &[&str]) -> Self {
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

    fn docker(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An image without a registry: busybox, a file and a directory.
    fn import_image(&self) {
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

    fn layer_dirs(&self, name: &str) -> PathBuf {
        PathBuf::from(self.docker(&["inspect", "--format", &format!("{{{{.GraphDriver.Data.{name}}}}}"), "web"]).trim())
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = self.command(&["rm", "--force", "web"]).output();
        let pid = self.dockerd.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.dockerd.wait();
        let _ = fs::remove_file(CONFIGURATION);
    }
}

#[test]
#[ignore = "needs Docker: cargo xtask test"]
fn dockers_containers_are_found_running_and_stopped() {
    let docker = Docker::start(&[]);
    docker.import_image();
    let change = "echo two >> /etc/group; rm -r /d; mkdir /d; touch /d/new; touch /done; sleep 1000";
    docker.docker(&["run", "--detach", "--name", "web", "--network=none", "image", "sh", "-c", change]);
    let upper = docker.layer_dirs("UpperDir");
    wait_for("the container has changed its files", || upper.join("done").exists().then_some(()));

    let expected = "C              /d\nA            0 /d/new\nD            0 /d/old\nA            0 /done\n\
                    C              /etc\nC            8 /etc/group";
    assert_eq!(ckpt(&["diff", "web"]), expected);
    // Nothing that Docker lists is missing.
    for line in docker.docker(&["diff", "web"]).lines() {
        let (letter, path) = line.split_at(2);
        assert!(expected.lines().any(|ours| ours.starts_with(letter) && ours.ends_with(&format!(" {path}"))), "{line}");
    }
    let merged = docker.layer_dirs("MergedDir");
    assert_eq!(ckpt(&["diff", text(&merged)]), expected);
    let pid = docker.docker(&["inspect", "--format", "{{.State.Pid}}", "web"]);
    assert_eq!(ckpt(&["diff", "--pid", pid.trim(), "/"]), expected);

    let layers: serde_json::Value = serde_json::from_str(&ckpt(&["layers", "web", "--format", "json"])).unwrap();
    assert_eq!(layers["store"], "docker overlay2");
    assert_eq!(layers["upperdir"].as_str().map(Path::new), Some(upper.as_path()));
    let lowers: Vec<_> = layers["lowerdirs"].as_array().unwrap().iter().map(|dir| dir.as_str().unwrap()).collect();
    assert_eq!(lowers.join(":"), docker.layer_dirs("LowerDir").to_str().unwrap());

    let id = docker.docker(&["inspect", "--format", "{{.Id}}", "web"]);
    docker.docker(&["stop", "--time=0", "web"]);
    assert_eq!(ckpt(&["diff", id.trim()]), expected);
}

/// With a user namespace for all of its containers, Docker keeps them in a folder of their own, owners shifted.
#[test]
#[ignore = "needs Docker: cargo xtask test"]
fn btrfs_dockers_remapped_containers_are_found() {
    let first = 500_000;
    if !fs::read_to_string("/etc/passwd").unwrap().contains("dockremap") {
        succeed("useradd", &["--system", "dockremap"]);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let lines = fs::read_to_string(file).unwrap_or_default();
            fs::write(file, format!("{lines}dockremap:{first}:65536\n")).unwrap();
        }
    }
    let docker = Docker::start(&["--userns-remap=default"]);
    docker.import_image();
    let change = "rm -r /d; mkdir /d; touch /d/new; touch /done; sleep 1000";
    docker.docker(&["run", "--detach", "--name", "web", "--network=none", "image", "sh", "-c", change]);
    let upper = docker.layer_dirs("UpperDir");
    assert!(upper.starts_with(docker.folder.path().join(format!("data/{first}.{first}"))), "{upper:?}");
    wait_for("the container has changed its files", || upper.join("done").exists().then_some(()));

    let expected = "C              /d\nA            0 /d/new\nD            0 /d/old\nA            0 /done";
    assert_eq!(ckpt(&["diff", "web"]), expected);
    assert_eq!(ckpt(&["diff", text(&docker.layer_dirs("MergedDir"))]), expected);
    let ckpt_core::operand::Operand::Layers { layers, .. } = ckpt_core::operand::Operand::find("web").unwrap() else {
        panic!("not a container");
    };
    let stored = fs::metadata(upper.join("done")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&stored), first);
    assert_eq!(layers.ids.owner_in_container((first, first + 7)), (0, 7));
    assert!(layers.lower_ids.iter().all(|ids| *ids == layers.ids) && layers.lower_ids.len() == layers.lowerdirs.len());
}
