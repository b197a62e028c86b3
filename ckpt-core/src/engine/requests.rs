//! What an engine is asked to do, whoever asks.

/// State of the kernel that goes with a container only if it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TakenAlong {
    /// Established TCP connections.
    pub(crate) tcp_established: bool,
    /// File locks.
    pub(crate) file_locks: bool,
}

/// How a container is to be dumped. Its files are not the engine's to take.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DumpRequest {
    pub(crate) leave_running: bool,
    /// Keep CRIU's logs in the bundle.
    pub(crate) keep_logs: bool,
    /// Dump only the memory that changed since the pre-checkpoint.
    pub(crate) with_previous: bool,
    pub(crate) along: TakenAlong,
}

/// How a container is to be made of an archive. Its volumes are not the engine's to fill.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestoreRequest {
    /// Do not apply changed files.
    pub(crate) ignore_rootfs: bool,
    /// Ask for any IP address.
    pub(crate) ignore_static_ip: bool,
    /// Ask for any MAC address.
    pub(crate) ignore_static_mac: bool,
    /// Keep CRIU's logs in the bundle.
    pub(crate) keep_logs: bool,
    pub(crate) along: TakenAlong,
    /// The pod to restore into.
    pub(crate) pod: Option<String>,
    /// Ports to publish, each as `podman run -p` takes it.
    pub(crate) publish: Vec<String>,
}
