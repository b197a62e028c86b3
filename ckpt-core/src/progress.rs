//! What a caller is told while the work goes on.

use aligntar::Transferred;

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Dirty pages of the container storage are written out, the container still runs.
    Writeback,
    /// What cannot be cloned is copied, the container still runs.
    Copy,
    /// podman and CRIU dump the processes.
    Dump,
    /// The container is frozen and its files are taken.
    Capture,
    /// podman finishes and hands its metadata over.
    Export,
    /// The archive is compressed, or copied to where it belongs.
    Deliver,
    /// A compressed archive is unpacked on the container storage's file system.
    Decompress,
    /// podman creates the container.
    Create,
    /// The container's files are put in their places.
    Place,
    /// podman and CRIU restore the processes.
    Resume,
    /// The processes are there and begin to run; podman notes it.
    Start,
    /// The container runs, and its memory is on its way.
    Memory,
}

/// Is told of what happens. Each method does nothing by default.
pub trait Progress {
    /// Another phase begins.
    fn phase(&mut self, _phase: Phase) {}

    /// One more member was written or made; `path` as it stands in its archive, `moved` is what moved since the member
    /// before: threads may still be at work on this one.
    fn member(&mut self, _path: &[u8], _moved: Transferred) {}

    /// So much of the memory that comes later is there, in bytes.
    fn memory(&mut self, _arrived: u64, _total: u64) {}

    /// So much of what may be equal in two archives was compared, in bytes.
    fn compared(&mut self, _done: u64, _total: u64) {}

    /// So much of what goes to another place, or comes from there, has passed, in bytes; `total` may be an estimate.
    fn transferred(&mut self, _done: u64, _total: u64) {}

    /// So many bytes on the disk are expected to be needed, and so many are free. Nothing was done yet.
    fn space(&mut self, _needed: u64, _free: u64) {}

    /// Something the user should know, though the work goes on.
    fn warning(&mut self, _text: &str) {}
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
