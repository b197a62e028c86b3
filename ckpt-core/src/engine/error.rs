//! Why the engine gave no answer.

use super::versions::{NEWEST, OLDEST};
use crate::host::programs::ProgramError;

/// Why podman has no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// CRIU, overlay and podman's storage are root's.
    #[error("only root can checkpoint and restore containers, and only those that root has made: try again with sudo")]
    NotRoot,
    /// podman is not installed, or cannot be started.
    #[error(transparent)]
    External(#[from] ProgramError),
    /// podman refused; these are its words.
    #[error("podman {command}: {message}")]
    Refused {
        /// Its subcommand.
        command: String,
        /// The last line of what it printed, without the word `Error`.
        message: String,
    },
    /// podman was killed, by the kernel for want of memory or by somebody: it has not answered.
    #[error("podman {command} was killed by signal {signal}")]
    Killed {
        /// Its subcommand.
        command: String,
        /// See signal(7).
        signal: i32,
    },
    /// podman's answer is not what this program understands; versions before 4.0 miss fields.
    #[error("podman {command} gave an answer that is not understood (podman 4.0 or newer is needed)")]
    Answer {
        /// Its subcommand.
        command: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Too old, or newer than any that was tried; the steps between podman and this program are no interface of podman's.
    #[error(
        "podman {version} was never tried with this ckpt, which counts on steps that podman {OLDEST} to {NEWEST} take: \
         use one of these, or --force to try all the same"
    )]
    Untried {
        /// Its version.
        version: String,
    },
    /// podman's containers are somewhere else.
    #[error("podman works on another host here ({}), whose files are out of reach: run ckpt there", by)]
    Remote {
        /// What says so.
        by: &'static str,
    },
    /// podman has no containers at all.
    #[error("root has no containers: `sudo podman ps -a` lists them, and those of other users cannot be checkpointed")]
    NoContainers,
    /// No such container.
    #[error("no such container {name:?} among those of root: `sudo podman ps -a` lists them")]
    UnknownContainer {
        /// What was asked for.
        name: String,
    },
}
