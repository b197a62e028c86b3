//! Which parts are asked for.

/// Which parts are asked for. By default none is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// The processes.
    pub processes: bool,
    /// The environment of each; with the processes.
    pub environment: bool,
    /// What each has open; with the processes.
    pub files: bool,
    /// Sockets alone of that; with the processes.
    pub sockets: bool,
    /// The limits of each; with the processes.
    pub limits: bool,
    /// Mounts.
    pub mounts: bool,
    /// Namespaces.
    pub namespaces: bool,
    /// What the checkpoint took.
    pub statistics: bool,
    /// Of the processes, only this one and those below it.
    pub pid: Option<u32>,
}

impl Sections {
    /// Every part.
    pub fn all() -> Self {
        Sections {
            processes: true,
            environment: true,
            files: true,
            sockets: true,
            limits: true,
            mounts: true,
            namespaces: true,
            statistics: true,
            pid: None,
        }
    }

    /// Whether any is asked for.
    pub fn any(&self) -> bool {
        self.needs_processes() || self.mounts || self.namespaces || self.statistics
    }

    /// Whether the processes have to be known.
    pub(crate) fn needs_processes(&self) -> bool {
        self.processes || self.environment || self.files || self.sockets || self.limits || self.pid.is_some()
    }
}
