//! The way into the lab: which programs run one another until the command runs.

use std::convert::Infallible;
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command};
use std::str::FromStr;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::cgroups::{self, LabGroups};
use super::images::Images;
use super::{FileSystem, host};
use crate::cargo::Workspace;

/// What the processes inside have to know, handed on as one argument in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntrySpec {
    pub(super) images: Images,
    pub(super) fs: FileSystem,
    pub(super) direct_io: bool,
    /// Host folders that are at the same path inside.
    pub(super) binds: Vec<PathBuf>,
    pub(super) working_directory: PathBuf,
    /// The release build, or else that of the tests, if there is one.
    pub(super) ckpt: Option<PathBuf>,
    pub(super) groups: Vec<PathBuf>,
    pub(super) v1_controllers: bool,
    /// This program, as it was started: a build meanwhile replaces the file at
    /// its path, but not this link of the kernel's.
    program: PathBuf,
}

impl FromStr for EntrySpec {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(json)
    }
}

impl EntrySpec {
    pub(super) fn new(
        images: Images,
        (fs, direct_io): (FileSystem, bool),
        workspace: &Workspace,
        groups: &LabGroups,
    ) -> Result<Self> {
        let mut binds = vec![workspace.root.clone()];
        if !workspace.target.starts_with(&workspace.root) {
            binds.push(workspace.target.clone());
        }
        let here = env::current_dir().context("cannot tell the working directory")?;
        let visible = binds.iter().any(|bind| here.starts_with(bind));
        Ok(Self {
            images,
            fs,
            direct_io,
            binds,
            working_directory: if visible { here } else { workspace.root.clone() },
            ckpt: [workspace.ckpt(), workspace.ckpt_of_tests()].into_iter().find(|path| path.exists()),
            groups: groups.folders.clone(),
            v1_controllers: groups.v1_controllers,
            program: format!("/proc/{}/exe", process::id()).into(),
        })
    }

    /// `setpriv` ties the lab to this process, `--kill-child` all processes of
    /// the lab to `unshare`: none outlives the one that holds the lock.
    pub(super) fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net"])
            .args(["--uts", "--ipc", "--fork", "--kill-child"])
            .args(["--propagation", "private"])
            .args(self.stage("lab-join"))
            .arg(program)
            .env("PATH", host::PATH)
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .env("CKPT_LAB", "1")
            .env("CKPT_LAB_FS", self.fs.name());
        for host_only in ["LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR", "CARGO"] {
            command.env_remove(host_only);
        }
        command
    }

    fn stage(&self, subcommand: &str) -> [OsString; 4] {
        let json = serde_json::to_string(self).expect("paths of a lab are UTF-8");
        [self.program.clone().into(), subcommand.into(), json.into(), "--".into()]
    }
}

/// Enters the lab's cgroups, then becomes the next stage in a cgroup namespace
/// whose root they are. A step of its own, since the process that waits outside
/// must not be in them: a v2 group with processes gives its children no controllers.
pub(crate) fn join(spec: &EntrySpec, command: &[OsString]) -> Result<Infallible> {
    for group in &spec.groups {
        cgroups::remove_children(group)?;
        cgroups::enter(group)?;
    }
    let error = Command::new("unshare").arg("--cgroup").args(spec.stage("lab-init")).args(command).exec();
    Err(error).context("cannot start unshare --cgroup")
}
