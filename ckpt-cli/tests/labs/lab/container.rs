//! Containers and volumes of one test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{COUNT, IMAGE, ckpt, describe, describe_tree, podman, run, shell_in, text, wait_for};

/// A container that is removed with this value.
pub(crate) struct Container {
    pub(crate) name: String,
}

impl Container {
    /// `podman run -d`, with options before the image and a shell script.
    pub(crate) fn run(name: &str, options: &[&str], script: &str) -> Self {
        Container::run_image(name, options, IMAGE, &["sh", "-c", script])
    }

    /// The same of any image, with any command.
    pub(crate) fn run_image(name: &str, options: &[&str], image: &str, command: &[&str]) -> Self {
        podman(&[&["run", "-d", "--name", name], options, &[image], command].concat());
        Container::named(name)
    }

    /// A container that is there already, or soon will be.
    pub(crate) fn named(name: &str) -> Self {
        Container { name: name.to_owned() }
    }

    pub(crate) fn exec(&self, script: &str) -> String {
        podman(&["exec", &self.name, "sh", "-c", script])
    }

    pub(crate) fn inspect(&self, template: &str) -> String {
        podman(&["container", "inspect", "--format", template, &self.name])
    }

    /// Whether it goes on, once that is certain: podman learns a moment later that one has ended.
    pub(crate) fn goes_on(&self) -> bool {
        let count = self.numbers().len();
        wait_for("the container to go on or to have ended", || match self.is_running() {
            true => (self.numbers().len() > count).then_some(true),
            false => Some(false),
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        self.inspect("{{.State.Status}}") == "running"
    }

    /// Has podman bring it back from its bundle. After a kill or a full disk podman may not have tidied up after it yet.
    pub(crate) fn restore_in_place(&self) {
        podman(&["container", "cleanup", &self.name]);
        podman(&["container", "restore", &self.name]);
    }

    /// The numbers that [`COUNT`] printed, also before a checkpoint.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        podman(&["logs", &self.name]).lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Waits until at least `count` numbers were printed.
    pub(crate) fn wait_for_numbers(&self, count: usize) -> Vec<u64> {
        wait_for("numbers", || Some(self.numbers()).filter(|numbers| numbers.len() >= count))
    }

    /// Has the counter write to the log file it holds open; gives the file's lines.
    pub(crate) fn signal(&self) -> Vec<String> {
        let lines = || -> Vec<String> { self.exec("cat /var/log/app.log").lines().map(str::to_owned).collect() };
        let before = lines().len();
        podman(&["kill", "--signal", "USR1", &self.name]);
        wait_for("a line in the log", || Some(lines()).filter(|lines| lines.len() > before))
    }

    /// Runs a shell script in the merged tree, seen from the host; an error ends it.
    pub(crate) fn change_from_outside(&self, script: &str) {
        shell_in(Path::new(&podman(&["mount", &self.name])), script);
        podman(&["umount", &self.name]);
    }

    /// The merged tree as the container has it: every attribute of every file.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, String> {
        let merged = podman(&["mount", &self.name]);
        let tree = describe::describe(Path::new(&merged));
        podman(&["umount", &self.name]);
        tree
    }

    pub(crate) fn cgroup(&self) -> String {
        let pid = self.inspect("{{.State.Pid}}");
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
    }

    /// Leaves nothing of it but the new archive.
    pub(crate) fn checkpoint_and_remove(&self, archive: &Path) {
        ckpt(&["checkpoint", &self.name, "-e", text(archive)]);
        self.remove();
    }

    pub(crate) fn remove(&self) {
        podman(&["rm", "--force", "--time", "0", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        run("podman", &["rm", "--force", "--ignore", "--volumes", "--time", "0", &self.name]);
    }
}

/// A named volume that is removed with this value.
pub(crate) struct Volume {
    pub(crate) name: String,
}

impl Volume {
    pub(crate) fn named(name: &str) -> Self {
        Volume { name: name.to_owned() }
    }

    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, String> {
        describe_tree(Path::new(&podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", &self.name])))
    }

    pub(crate) fn remove(&self) {
        podman(&["volume", "rm", &self.name]);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        run("podman", &["volume", "rm", "--force", &self.name]);
    }
}

/// A network that is removed with this value.
pub(crate) struct Network {
    name: String,
}

impl Network {
    pub(crate) fn create(name: &str) -> Self {
        podman(&["network", "create", name]);
        Network { name: name.to_owned() }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        run("podman", &["network", "rm", "--force", "--time", "0", &self.name]);
    }
}

/// A pod that is removed with this value, and all that is in it.
pub(crate) struct Pod {
    name: String,
}

impl Pod {
    pub(crate) fn create(name: &str) -> Self {
        podman(&["pod", "create", "--name", name]);
        Pod::named(name)
    }

    /// One that is there already, or soon will be.
    pub(crate) fn named(name: &str) -> Self {
        Pod { name: name.to_owned() }
    }

    pub(crate) fn remove(&self) {
        podman(&["pod", "rm", "--force", "--time", "0", &self.name]);
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        run("podman", &["pod", "rm", "--force", "--ignore", "--time", "0", &self.name]);
    }
}

/// Makes the archive `web.tar` in `folder`: of a counting container `web`, run with `options` and each of `volumes` mounted
/// at the folder of its name, in which the script `fill` ran. Container and volumes are removed.
pub(crate) fn archive_of_web(folder: &Path, options: &[&str], volumes: &[&str], fill: &str) -> String {
    let archive = text(&folder.join("web.tar")).to_owned();
    let mounts: Vec<String> = volumes.iter().map(|name| format!("--volume={name}:/{name}")).collect();
    let volumes: Vec<Volume> = volumes.iter().copied().map(Volume::named).collect();
    let options: Vec<&str> = options.iter().copied().chain(mounts.iter().map(String::as_str)).collect();
    let web = Container::run("web", &options, COUNT);
    web.exec(fill);
    ckpt(&["checkpoint", "web", "-e", &archive]);
    drop((web, volumes));
    archive
}
