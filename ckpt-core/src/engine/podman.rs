//! The commands of podman; podman stays as it is.

mod flags;
mod info;

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::event::Timespec;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::EngineError;
use super::facts::{ContainerFacts, StoreFacts, VolumeFacts};
use super::interface::Engine;
use super::requests::{DumpRequest, RestoreRequest, TakenAlong};
use super::versions::{self, NEWEST, OLDEST};
use super::words::{last_words, shorten};
use crate::archive::manifest::HostVersions;
use crate::host::child::{Child, ChildError, Said};
use crate::host::interrupt::Interrupt;
use crate::host::programs::{self, ProgramError};
use crate::host::survivor::Survivor;
use info::Info;

/// Each of these makes podman its own remote client (podman(1), "ENVIRONMENT VARIABLES").
const REMOTE: [&str; 2] = ["CONTAINER_HOST", "CONTAINER_CONNECTION"];

/// Has Go collect garbage from 32 MiB on instead of 4, which a short podman never reaches: a fifth of its time on the
/// processor (podman 5.4: `container inspect` 32 instead of 40 ms, a restore 80 instead of 105). conmon inherits it, for
/// the podman that cleans up; containers do not.
const COLLECTOR: (&str, &str) = ("GOGC", "800");

/// What is to be set, unless somebody has `chosen` already.
fn collector(chosen: Option<OsString>) -> Option<(&'static str, &'static str)> {
    chosen.is_none().then_some(COLLECTOR)
}

/// How long an interrupted restore lets podman make a volume, which takes it a moment: ended after it was made and
/// before podman has said so, nothing would tell whose it is.
const VOLUME_GRACE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// The podman of this host.
#[derive(Clone, Debug)]
pub(crate) struct Podman {
    program: PathBuf,
    /// Ends its calls that are waited for, but not those of `start_…`.
    interrupt: Option<Interrupt>,
}

impl Podman {
    /// podman, where everything that checkpoint and restore need is there as well.
    pub(crate) fn for_root() -> Result<Self, EngineError> {
        if let Some(by) = REMOTE.into_iter().find(|name| env::var_os(name).is_some()) {
            return Err(EngineError::Remote { by });
        }
        if !rustix::process::geteuid().is_root() {
            return Err(EngineError::NotRoot);
        }
        programs::find("criu")?;
        Ok(Podman { program: programs::find("podman")?, interrupt: None })
    }

    /// Passes a podman of a version that was tried, or that does not tell its version.
    pub(crate) fn check_tried(&self) -> Result<(), EngineError> {
        let version = versions::of_podman(&self.program, self.interrupt.as_ref())?;
        match versions::numbers(&version) {
            Some((OLDEST..=NEWEST, _)) | None => Ok(()),
            Some(_) => Err(EngineError::Untried { version }),
        }
    }

    /// podman, to be asked for what anyone may know.
    pub(crate) fn anyones() -> Result<Self, EngineError> {
        Ok(Podman { program: programs::find("podman")?, interrupt: None })
    }

    /// The same, whose calls an `interrupt` ends: for what another run can do as well, never for what undoes or
    /// rescues.
    pub(crate) fn until(&self, interrupt: Option<&Interrupt>) -> Self {
        Podman { program: self.program.clone(), interrupt: interrupt.cloned() }
    }

    fn output(&self, command: &mut Command) -> Result<Output, ProgramError> {
        programs::run(command, self.interrupt.as_ref())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // Where the caller is may be gone, and no path that podman is given depends on it.
        command.current_dir("/").envs(collector(env::var_os(COLLECTOR.0)));
        command
    }

    /// In a session, with a PATH of that.
    fn start(&self, arguments: &[OsString], path: OsString) -> Result<Child, ChildError> {
        Child::start(&self.program, arguments, Some(path), collector(env::var_os(COLLECTOR.0)))
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, EngineError> {
        let output = self.run(arguments)?;
        serde_json::from_slice(&output.stdout)
            .map_err(|source| EngineError::Answer { command: arguments[..2].join(" "), source })
    }

    /// Whether there is a `kind`, `container` or `volume`, of the name.
    fn exists(&self, kind: &str, name: &str) -> Result<bool, EngineError> {
        // Exit status 1 is "no", 125 an error (podman-container-exists(1), podman-volume-exists(1)).
        let output = self.output(self.command().args([kind, "exists", "--", name]))?;
        match output.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(EngineError::Refused { command: format!("{kind} exists"), message: last_words(&output.stderr) }),
        }
    }

    fn run<A: AsRef<OsStr> + AsRef<str>>(&self, arguments: &[A]) -> Result<Output, EngineError> {
        let command = arguments.iter().take(2).map(|argument| <A as AsRef<str>>::as_ref(argument)).collect::<Vec<_>>();
        answer(&command.join(" "), self.output(self.command().args(arguments))?)
    }
}

impl Podman {
    fn container_ids(&self) -> Result<Vec<String>, EngineError> {
        let listed = self.run(&["ps", "--all", "--no-trunc", "--format", "{{.ID}}"])?;
        Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
    }

    /// By the containers' IDs, those that podman told; and why it told no more.
    fn network_namespaces_of(
        &self,
        ids: &[String],
    ) -> Result<(BTreeMap<String, PathBuf>, Option<EngineError>), EngineError> {
        if ids.is_empty() {
            return Ok(Default::default());
        }
        let template = "{{.Id}} {{.NetworkSettings.SandboxKey}}";
        let mut command = self.command();
        let output = self.output(command.args(["container", "inspect", "--format", template, "--"]).args(ids))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let pairs = told.lines().filter_map(|line| line.split_once(' '));
        let namespaces = pairs.map(|(id, path)| (id.to_owned(), PathBuf::from(path))).collect();
        Ok((namespaces, answer("container inspect", output).err()))
    }
}

/// What podman said, if it did what `command` asked for.
fn answer(command: &str, output: Output) -> Result<Output, EngineError> {
    let command = command.to_owned();
    match output.status.signal() {
        _ if output.status.success() => Ok(output),
        Some(signal) => Err(EngineError::Killed { command, signal }),
        None => Err(EngineError::Refused { command, message: shorten(&last_words(&output.stderr)) }),
    }
}

impl Engine for Podman {
    fn program(&self) -> &Path {
        &self.program
    }

    fn inspect(&self, name: &str) -> Result<ContainerFacts, EngineError> {
        let found: Result<Vec<ContainerFacts>, _> = self.json(&["container", "inspect", "--", name]);
        match found {
            // Its exit status says only that something failed.
            Err(EngineError::Refused { .. }) if !self.exists("container", name)? => {
                Err(EngineError::UnknownContainer { name: name.to_owned() })
            }
            found => found?.into_iter().next().ok_or_else(|| EngineError::UnknownContainer { name: name.to_owned() }),
        }
    }

    fn host_optional(&self) -> Option<HostVersions> {
        let info: Info = self.json(&["info", "--format", "json"]).ok()?;
        Some(info.host.into())
    }

    fn store(&self) -> Result<StoreFacts, EngineError> {
        let info: Info = self.json(&["info", "--format", "json"])?;
        match info.host.service_is_remote {
            true => Err(EngineError::Remote { by: "containers.conf" }),
            false => Ok(info.store),
        }
    }

    fn has_volume(&self, name: &str) -> Result<bool, EngineError> {
        self.exists("volume", name)
    }

    fn volume_optional(&self, name: &str) -> Result<Option<VolumeFacts>, EngineError> {
        let found: Result<Vec<VolumeFacts>, _> = self.json(&["volume", "inspect", "--", name]);
        match found {
            Err(EngineError::Refused { .. }) if !self.has_volume(name)? => Ok(None),
            found => Ok(found?.into_iter().next()),
        }
    }

    fn users_of_volume(&self, name: &str) -> Result<Vec<String>, EngineError> {
        let filter = format!("--filter=volume={name}");
        let listed = self.run(&["ps", "--all", "--no-trunc", &filter, "--format", "{{.ID}}"])?;
        Ok(String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect())
    }

    fn has_image(&self, name: &str) -> Result<bool, EngineError> {
        self.exists("image", name)
    }

    fn has_secret(&self, name: &str) -> Result<bool, EngineError> {
        match self.exists("secret", name) {
            // podman 4.0 does not know the command: it will find out itself.
            Err(EngineError::Refused { .. }) => Ok(true),
            has => has,
        }
    }

    fn volume_mountpoints(&self, names: &[String]) -> Result<Vec<(String, PathBuf)>, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Volume {
            name: String,
            mountpoint: PathBuf,
        }
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        let volumes: Vec<Volume> = self.json(&[&["volume", "inspect", "--"], &names[..]].concat())?;
        Ok(volumes.into_iter().map(|volume| (volume.name, volume.mountpoint)).collect())
    }

    fn network_namespaces(&self) -> Result<Vec<PathBuf>, EngineError> {
        let ids = self.container_ids()?;
        let (namespaces, failure) = self.network_namespaces_of(&ids)?;
        if let Some(failure) = failure {
            // It answers for those that are still there: what it has no answer for must be gone.
            let still = self.container_ids()?;
            if ids.iter().any(|id| still.contains(id) && !namespaces.contains_key(id)) {
                return Err(failure);
            }
        }
        Ok(namespaces.into_values().collect())
    }

    fn initialize(&self, id: &str) -> Result<(), EngineError> {
        self.run(&["init", "--", id]).map(drop)
    }

    fn note_network(&self, id: &str, network: &str) -> Result<(), EngineError> {
        // An address of no network: podman notes the network first, then looks at that, then would lease one.
        self.run(&["network", "connect", "--ip=255.255.255.255", "--", network, id]).map(drop)
    }

    fn leave_network(&self, id: &str, network: &str) -> Result<(), EngineError> {
        self.run(&["network", "disconnect", "--", network, id]).map(drop)
    }

    fn mark_volumes_used(
        &self,
        name: &str,
        root: &Path,
        no_runtime: &Path,
        volumes: &[&str],
        path: OsString,
    ) -> Result<Said, ChildError> {
        let mut arguments: Vec<OsString> = vec!["--runtime".into(), no_runtime.into(), "run".into(), "--rm".into()];
        arguments.extend(["--name", name, "--network=none", "--userns=host", "--log-driver=none"].map(OsString::from));
        arguments.push("--cgroups=no-conmon".into());
        arguments.extend(volumes.iter().map(|volume| format!("--volume={volume}:/{volume}").into()));
        arguments.extend(["--rootfs".into(), root.into(), "nothing".into()]);
        self.start(&arguments, path)?.finish_until(self.interrupt.as_ref())
    }

    fn start_volume(&self, name: &str, said: File) -> Result<Survivor, EngineError> {
        Ok(Survivor::start(self.command().args(["volume", "create", "--", name]), said)?)
    }

    fn finish_volume(&self, made: Survivor, interrupt: Option<&Interrupt>) -> Result<(), EngineError> {
        let output = made.finish(&VOLUME_GRACE, interrupt);
        let output = output.map_err(|source| programs::start_error(&self.command(), source))?;
        answer("volume create", output).map(drop)
    }

    fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.run(&["volume", "rm", "--", name]).map(drop)
    }

    fn remove(&self, id: &str, anonymous_volumes: bool) -> Result<(), EngineError> {
        let volumes: &[&str] = if anonymous_volumes { &["--volumes"] } else { &[] };
        self.run(&[&["rm", "--force", "--time", "0"], volumes, &["--", id]].concat()).map(drop)
    }

    fn exec(&self, id: &str, environment: &[(&str, String)], command: &str) -> Result<(), EngineError> {
        let mut podman = self.command();
        podman.arg("exec");
        for (name, value) in environment {
            podman.arg(format!("--env={name}={value}"));
        }
        podman.args(["--", id, "sh", "-c", command]);
        answer("exec", self.output(&mut podman)?).map(drop)
    }

    fn restore_in_place(&self, id: &str, along: TakenAlong) -> Result<(), EngineError> {
        // podman restores no container that it has not tidied up after, and what was to do so may have failed or be late.
        if self.inspect(id)?.state.status == "stopped" {
            self.run(&["container", "cleanup", "--", id])?;
        }
        let flags: Vec<&str> = flags::of_along(along).collect();
        self.run(&[&["container", "restore"], &flags[..], &["--", id]].concat()).map(drop)
    }

    fn start_checkpoint(
        &self,
        id: &str,
        export: &Path,
        request: &DumpRequest,
        path: OsString,
    ) -> Result<Child, ChildError> {
        let mut arguments: Vec<OsString> = ["container", "checkpoint", "--print-stats", "--ignore-rootfs"]
            .into_iter()
            .chain(["--ignore-volumes", "--compress", "none"])
            .chain(flags::of_dump(request))
            .map(OsString::from)
            .collect();
        arguments.extend(["--export".into(), export.into(), "--".into(), id.into()]);
        self.start(&arguments, path)
    }

    fn start_restore(
        &self,
        import: &Path,
        previous: Option<&Path>,
        request: &RestoreRequest,
        path: OsString,
    ) -> Result<Child, ChildError> {
        let mut arguments: Vec<OsString> = ["container", "restore", "--print-stats"].map(OsString::from).to_vec();
        arguments.extend(flags::of_restore(request));
        if let Some(previous) = previous {
            arguments.extend(["--import-previous".into(), previous.into()]);
        }
        arguments.extend(["--import".into(), import.into()]);
        self.start(&arguments, path)
    }
}
