//! In which phase a run is, as the process table tells.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::Victim;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Before podman.
    Plan,
    /// podman has begun, CRIU has not; a restore has no container yet.
    Create,
    /// CRIU dumps.
    Dump,
    /// The hook waits, and files are taken.
    Frozen,
    /// The hook has its verdict: CRIU ends, podman exports.
    Export,
    /// A restored container is there, and its files are put in place.
    Place,
    /// CRIU resumes it.
    Resume,
    /// podman is done.
    Finish,
}

impl Phase {
    pub(crate) const OF_CHECKPOINT: [Phase; 6] =
        [Phase::Plan, Phase::Create, Phase::Dump, Phase::Frozen, Phase::Export, Phase::Finish];
    pub(crate) const OF_RESTORE: [Phase; 5] = [Phase::Plan, Phase::Create, Phase::Place, Phase::Resume, Phase::Finish];

    pub(super) fn has(self, victim: Victim) -> bool {
        match victim {
            Victim::Ckpt => true,
            Victim::Podman | Victim::All => !matches!(self, Phase::Plan | Phase::Finish),
            Victim::Hook => self == Phase::Frozen,
            Victim::Criu => matches!(self, Phase::Dump | Phase::Frozen | Phase::Export | Phase::Resume),
        }
    }

    /// Delays are drawn below this; how long a phase takes on a busy machine does not matter.
    pub(super) fn usual_length(self) -> Duration {
        Duration::from_millis(match self {
            Phase::Plan => 80,
            Phase::Create => 60,
            Phase::Dump => 150,
            Phase::Frozen => 20,
            Phase::Export => 60,
            Phase::Place => 10,
            Phase::Resume => 150,
            Phase::Finish => 3,
        })
    }
}

/// An eye on a run.
pub(super) struct Watch {
    ckpt: i32,
    is_restore: bool,
    containers: std::path::PathBuf,
    container: String,
    furthest: Cell<Option<Phase>>,
}

impl Watch {
    pub(super) fn of(ckpt: &Child, container: &str) -> Self {
        let ckpt = ckpt.id() as i32;
        let is_restore = arguments(ckpt).get(1).is_some_and(|verb| verb == "restore");
        let containers = Path::new("/var/lib/containers/storage/overlay-containers/containers.json").to_owned();
        Watch { ckpt, is_restore, containers, container: container.to_owned(), furthest: Cell::new(None) }
    }

    /// The phase of this moment; phases do not come back.
    pub(super) fn phase(&self) -> Option<Phase> {
        let podman = !self.pids(Victim::Podman).is_empty();
        let criu = !self.pids(Victim::Criu).is_empty();
        let hook = !self.pids(Victim::Hook).is_empty();
        let seen = match () {
            () if hook => Phase::Frozen,
            () if self.is_restore && criu => Phase::Resume,
            () if self.is_restore && podman && self.container_is_there() => Phase::Place,
            () if criu => Phase::Dump,
            () if podman => Phase::Create,
            () => Phase::Plan,
        };
        let phase = match (self.furthest.get(), seen) {
            (Some(Phase::Frozen | Phase::Export), Phase::Dump | Phase::Create) => Phase::Export,
            (Some(furthest), Phase::Plan) if furthest > Phase::Plan => Phase::Finish,
            (Some(furthest), seen) => seen.max(furthest),
            (None, seen) => seen,
        };
        self.furthest.set(Some(phase));
        Some(phase)
    }

    fn container_is_there(&self) -> bool {
        let name = format!("\"{}\"", self.container);
        fs::read_to_string(&self.containers).is_ok_and(|containers| containers.contains(&name))
    }

    /// Processes of this run.
    pub(super) fn pids(&self, victim: Victim) -> Vec<i32> {
        // What has ended, or is the kernel's, has no arguments.
        let by = |is_meant: fn(&[String]) -> bool| {
            let is_meant = |pid: &i32| Some(arguments(*pid)).is_some_and(|found| !found.is_empty() && is_meant(&found));
            processes().filter(is_meant).collect::<Vec<_>>()
        };
        match victim {
            Victim::Ckpt => vec![self.ckpt],
            Victim::Podman => by(|arguments| {
                arguments[0].ends_with("podman") && arguments.iter().any(|argument| argument.contains("/run/ckpt/"))
            }),
            Victim::Hook => by(|arguments| arguments[0].ends_with("ckpt-hook")),
            Victim::Criu => by(|arguments| arguments[0] == "criu" || arguments[0].ends_with("/criu")),
            Victim::All => [Victim::Ckpt, Victim::Podman, Victim::Hook, Victim::Criu]
                .iter()
                .flat_map(|who| self.pids(*who))
                .collect(),
        }
    }
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn arguments(pid: i32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).into_owned();
    line.split_terminator('\0').map(str::to_owned).collect()
}
