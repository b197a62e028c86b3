//! What checkpoint and restore ask of the engine that runs containers: podman is the one there is.
//!
//! An engine is driven by two programs that it starts. The one of a checkpoint has CRIU dump, through the `criu` that
//! it finds first in its PATH (see [`crate::criu::hook`]), leaves the images in the bundle, and then writes the rest of
//! the archive to a FIFO. The one of a restore reads an archive from a FIFO, three times, as told in
//! `restore/podman_import.rs`.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::EngineError;
use super::facts::{ContainerFacts, StoreFacts, VolumeFacts};
use super::requests::{DumpRequest, RestoreRequest, TakenAlong};
use crate::archive::manifest::HostVersions;
use crate::host::child::{Child, ChildError, Said};
use crate::host::interrupt::Interrupt;
use crate::host::survivor::Survivor;

/// Runs containers, and knows where their parts are.
pub(crate) trait Engine: fmt::Debug {
    /// Its program, for the manifest's versions.
    fn program(&self) -> &Path;

    /// What it says of the host; none if it says nothing.
    fn host_optional(&self) -> Option<HostVersions>;

    /// A container by its name or ID.
    fn inspect(&self, name: &str) -> Result<ContainerFacts, EngineError>;

    /// Where the layers are.
    fn store(&self) -> Result<StoreFacts, EngineError>;

    /// Whether there is a volume `name`.
    fn has_volume(&self, name: &str) -> Result<bool, EngineError>;

    /// The volume `name`, if there is one.
    fn volume_optional(&self, name: &str) -> Result<Option<VolumeFacts>, EngineError>;

    /// IDs of the containers that have the volume `name`, running or not.
    fn users_of_volume(&self, name: &str) -> Result<Vec<String>, EngineError>;

    /// Whether the engine finds an image here by this name, ID, or part of an ID.
    fn has_image(&self, name: &str) -> Result<bool, EngineError>;

    /// Whether there is a secret `name`.
    fn has_secret(&self, name: &str) -> Result<bool, EngineError>;

    /// Names of volumes with the folders of their data.
    fn volume_mountpoints(&self, names: &[String]) -> Result<Vec<(String, PathBuf)>, EngineError>;

    /// The network namespaces that containers have, as paths.
    fn network_namespaces(&self) -> Result<Vec<PathBuf>, EngineError>;

    /// Makes a container of the OCI runtime, and all that it needs on the host, without running anything in it.
    fn initialize(&self, id: &str) -> Result<(), EngineError>;

    /// Has it noted that a container is in a network, where it gets no address; that is refused, but not forgotten.
    fn note_network(&self, id: &str, network: &str) -> Result<(), EngineError>;

    /// Takes a container out of a network; what it had leased there is given back, if it has a network namespace.
    fn leave_network(&self, id: &str, network: &str) -> Result<(), EngineError>;

    /// Mounts each of `volumes` over the folder of its name in `root`, for a container called `name` whose runtime is
    /// the file `no_runtime`, so that the engine no longer takes them for new; gives the engine's words, which always
    /// fails. `path` is its PATH.
    fn mark_volumes_used(
        &self,
        name: &str,
        root: &Path,
        no_runtime: &Path,
        volumes: &[&str],
        path: OsString,
    ) -> Result<Said, ChildError>;

    /// Starts to make the volume `name`, which fails if there is one. The engine writes the name as a line to `said`
    /// once it is made. It goes on if this program is killed.
    fn start_volume(&self, name: &str, said: File) -> Result<Survivor, EngineError>;

    /// Waits until a volume is made; of a raised `interrupt`, no longer than making one takes.
    fn finish_volume(&self, made: Survivor, interrupt: Option<&Interrupt>) -> Result<(), EngineError>;

    /// Removes a volume that a failed restore made.
    fn remove_volume(&self, name: &str) -> Result<(), EngineError>;

    /// Removes a container that a failed restore left behind, running or not, with its anonymous volumes or without.
    fn remove(&self, id: &str, anonymous_volumes: bool) -> Result<(), EngineError>;

    /// Runs `command` in a running container, by the shell there and with these variables; a command that fails is an
    /// error with its last words.
    fn exec(&self, id: &str, environment: &[(&str, String)], command: &str) -> Result<(), EngineError>;

    /// Restores a container from the checkpoint in its own bundle.
    fn restore_in_place(&self, id: &str, along: TakenAlong) -> Result<(), EngineError>;

    /// Starts a checkpoint of the container `id` that writes the engine's part of the archive to the FIFO `export`;
    /// `path` is its PATH.
    fn start_checkpoint(
        &self,
        id: &str,
        export: &Path,
        request: &DumpRequest,
        path: OsString,
    ) -> Result<Child, ChildError>;

    /// Starts a restore that reads the engine's part of the archive from the FIFO `import`, and all of the
    /// pre-checkpoint `previous` that it builds on; `path` is its PATH.
    fn start_restore(
        &self,
        import: &Path,
        previous: Option<&Path>,
        request: &RestoreRequest,
        path: OsString,
    ) -> Result<Child, ChildError>;
}
