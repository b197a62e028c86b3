//! A user of the lab who is a member of the group that may use `ckpt serve`, and one who is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::Served;
use crate::lab::{folder, succeed, text};

/// Whoever the member is.
pub(crate) const UID: u32 = 1000;

/// The group's number.
const GID: u32 = 4712;

/// A user with a folder on the file system of podman's storage.
pub(crate) struct Member {
    pub(crate) served: Served,
    pub(crate) folder: PathBuf,
    whole_folder: TempDir,
}

impl Member {
    /// With a service, which has a group that other tests do not have.
    pub(crate) fn begin() -> Self {
        const GROUP: &str = "ckpt-members";
        succeed("groupadd", &["--force", "--gid", &GID.to_string(), GROUP]);
        let served = Served::with(&["--group", GROUP], |_| {});
        fs::set_permissions(served.socket.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
        let whole_folder = folder();
        fs::set_permissions(whole_folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_ckpt"), whole_folder.path().join("ckpt")).unwrap();
        let folder = whole_folder.path().join("home");
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(UID), Some(UID)).unwrap();
        Member { served, folder, whole_folder }
    }

    /// A program, as the member runs it in the folder.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.of_group(&GID.to_string(), program)
    }

    /// `ckpt`, which finds the service by its environment.
    pub(crate) fn ckpt(&self, arguments: &[&str]) -> Command {
        let mut ckpt = self.command(text(&self.whole_folder.path().join("ckpt")));
        ckpt.args(arguments).env("CKPT_HOST", self.served.url());
        ckpt
    }

    /// The same of a user who is in no group.
    pub(crate) fn ckpt_of_a_stranger(&self, arguments: &[&str]) -> Output {
        let mut ckpt = self.of_group(&UID.to_string(), text(&self.whole_folder.path().join("ckpt")));
        ckpt.args(arguments).env("CKPT_HOST", self.served.url()).output().unwrap()
    }

    fn of_group(&self, group: &str, program: &str) -> Command {
        let uid = UID.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &uid, "--regid", &uid, "--groups", group, program]).current_dir(&self.folder);
        command
    }

    /// Runs `ckpt`, which must succeed; gives what it prints.
    pub(crate) fn ckpt_succeeds(&self, arguments: &[&str]) -> String {
        succeeds(&mut self.ckpt(arguments))
    }

    /// Runs `ckpt`, which must fail with this exit status; gives what it says.
    pub(crate) fn ckpt_fails(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.ckpt(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "ckpt {arguments:?}: {said}");
        said
    }

    /// Runs a shell script, with `ckpt` as a function.
    pub(crate) fn shell(&self, script: &str) -> String {
        let mut bash = self.command("bash");
        let ckpt = self.whole_folder.path().join("ckpt");
        let script = format!("ckpt() {{ {} \"$@\"; }}; {script}", text(&ckpt));
        succeeds(bash.args(["-ec", &script]).env("CKPT_HOST", self.served.url()))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file of somebody else's in the folder.
    pub(crate) fn give(&self, path: &Path, name: &str, uid: u32, mode: u32) -> PathBuf {
        let given = self.file(name);
        fs::copy(path, &given).unwrap();
        chown(&given, Some(uid), Some(uid)).unwrap();
        fs::set_permissions(&given, Permissions::from_mode(mode)).unwrap();
        given
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
