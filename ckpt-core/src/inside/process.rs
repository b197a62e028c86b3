//! A process, and its memory.

use schemars::JsonSchema;
use serde::Serialize;

use super::limit::Limit;
use super::open_file::Descriptor;
use crate::host::byte_path::BytePath;
use crate::host::byte_string::ByteString;

/// A process of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process {
    /// Its ID, as it is in the container.
    pub pid: u32,
    /// Its parent's; 0 of the first process, and of one that came in from outside.
    pub parent_pid: u32,
    /// How many of the container's processes are above it.
    pub depth: u32,
    /// Its process group.
    pub group_id: u32,
    /// Its session.
    pub session_id: u32,
    /// Its short name, at most 15 bytes.
    pub name: ByteString,
    /// What it does.
    pub state: ProcessState,
    /// Its status for wait(2), once it has ended.
    pub exit_status: Option<u32>,
    /// All its threads, the first one included. One that has ended has none.
    pub threads: Vec<Thread>,
    /// The program; none of one that has ended.
    pub executable: Option<BytePath>,
    /// Its arguments; none where they cannot be known.
    pub command_line: Option<Vec<ByteString>>,
    /// Its memory; none of one that has ended.
    pub memory: Option<Memory>,
    /// Its rights; none of one that has ended.
    pub credentials: Option<Credentials>,
    /// Its environment as it was when the program started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Vec<ByteString>>,
    /// Its working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<BytePath>,
    /// Its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<BytePath>,
    /// What it has open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<Descriptor>>,
    /// The sockets among that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Vec<Descriptor>>,
    /// What it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<Limit>>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It runs, or waits for something.
    Running,
    /// It was stopped, as by SIGSTOP.
    Stopped,
    /// It has ended, and its parent has not asked for its status.
    Zombie,
    /// It has ended.
    Dead,
    /// Something that this program does not know.
    Unknown,
}

impl ProcessState {
    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            ProcessState::Running => "running",
            ProcessState::Stopped => "stopped",
            ProcessState::Zombie => "zombie",
            ProcessState::Dead => "dead",
            ProcessState::Unknown => "unknown",
        }
    }

    /// Whether it has memory and files.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, ProcessState::Running | ProcessState::Stopped)
    }
}

/// A thread of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Thread {
    /// Its ID, as it is in the container.
    pub tid: u32,
    /// Its name; empty where it is not known.
    pub name: ByteString,
}

/// The memory of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Memory {
    /// Bytes of addresses that mean something.
    pub mapped_bytes: u64,
    /// Of a checkpoint, bytes that it holds: neither pages that are files' nor such that were never touched. Of a process
    /// that runs, bytes that are in memory.
    pub resident_bytes: u64,
    /// What those are, the largest first.
    pub kinds: Vec<MemoryKind>,
}

/// Memory of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryKind {
    /// Which.
    #[serde(flatten)]
    pub kind: MappedKind,
    /// Bytes, as in [`Memory::resident_bytes`].
    pub resident_bytes: u64,
}

/// What memory is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MappedKind {
    /// What malloc(3) gives for small things.
    Heap,
    /// The first thread's stack.
    Stack,
    /// What belongs to no file; other threads' stacks as well.
    Anonymous,
    /// Shared with other processes.
    Shared,
    /// A file's pages, and what was changed in them.
    File {
        /// The file.
        path: BytePath,
    },
}

/// The rights of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Credentials {
    /// Its user, as the container numbers them.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whose rights it uses.
    pub effective_uid: u32,
    /// Which group's.
    pub effective_gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The capabilities that it uses: capabilities(7).
    pub effective_capabilities: Vec<String>,
    /// Those that no program that it starts can exceed.
    pub bounding_capabilities: Vec<String>,
    /// Whether programs that it starts get no further rights.
    pub no_new_privileges: bool,
}

/// Capabilities by their numbers, linux/capability.h.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The names of the capabilities in a set of bits; of those that are newer than this program, the numbers.
pub(super) fn capabilities(bits: u64) -> Vec<String> {
    let name = |number: usize| CAPABILITIES.get(number).map_or_else(|| format!("{number}"), |name| (*name).to_owned());
    (0..64).filter(|number| bits >> number & 1 == 1).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_names_and_newer_ones_numbers() {
        assert_eq!(capabilities(1 | 1 << 40 | 1 << 63), ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE", "63"]);
        assert_eq!(capabilities(0x8000_0000), ["CAP_SETFCAP"]);
    }
}
