//! What ends a restore, and how its processes end first.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixDatagram;

use rustix::io::Errno;

/// Why no page can be given any more that is known to be right.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read the pages at byte {offset} of an image: {source}")]
    Read { offset: u64, source: Errno },
    #[error("cannot read the pages: an image was written to after the restore began")]
    Changed,
    #[error("cannot put a page at {address:#x}: {source}")]
    Put { address: u64, source: Errno },
    #[error("there is no memory for the pages")]
    NoMemory,
    #[error("cannot read what a process does to its memory: {source}")]
    Events { source: Errno },
    #[error("the kernel tells of event {0:#x}, which was not asked for")]
    UnknownEvent(u8),
    #[error("what belongs at {0:#x} is not known: threads changed the mappings there at the same time")]
    Doubtful(u64),
    #[error("CRIU said something else than its protocol has: {0}")]
    Protocol(&'static str),
    #[error("CRIU's process {0} is none of the checkpoint's")]
    UnknownProcess(i32),
    #[error("cannot receive from CRIU: {source}")]
    Receive { source: Errno },
    #[error("CRIU ended before the restore was complete")]
    CriuEnded,
    #[error("the server was killed while CRIU handed over the processes' memory")]
    KilledEarly,
    #[error("the server ended {0} times without a page")]
    NoProgress(u64),
    #[error("{operation}: {source}")]
    System { operation: &'static str, source: Errno },
    #[error("an error in the page server: {0}")]
    Panic(String),
}

impl Failure {
    pub(crate) fn system(operation: &'static str) -> impl Fn(Errno) -> Self {
        move |source| Self::System { operation, source }
    }

    /// Of what `catch_unwind` gives.
    pub(crate) fn of_panic(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self::Panic(text.unwrap_or("no message").to_owned())
    }
}

/// Where a reader of logs finds it: the system's log, or the kernel's where there is none.
pub(crate) fn log(reason: &str) {
    let pid = std::process::id();
    // Facility daemon, severity error (RFC 3164).
    let message = format!("<27>criu-pages[{pid}]: restored processes were killed: {reason}");
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(message.as_bytes(), "/dev/log"));
    if sent.is_err()
        && let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg")
    {
        let _ = log.write_all(message.as_bytes());
    }
}
