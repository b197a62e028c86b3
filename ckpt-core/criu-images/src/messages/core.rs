//! What a process and each of its threads is, apart from memory and files.

use super::ImageMessage;
use super::credentials::CredsEntry;
use super::x86::ThreadInfoX86;

/// `core_entry.mtype`.
pub const MACHINE_X86_64: u32 = 1;
/// `core_entry.mtype`.
pub const MACHINE_AARCH64: u32 = 3;

/// It runs, or sleeps (CRIU, `compel/include/uapi/task-state.h`; so all states).
pub const TASK_ALIVE: u32 = 1;
/// It has ended and nobody has waited for it, in images of old.
pub const TASK_DEAD: u32 = 2;
/// A signal has stopped it.
pub const TASK_STOPPED: u32 = 3;
/// It has ended and nobody has waited for it.
pub const TASK_ZOMBIE: u32 = 6;

/// `core_entry` of `core-TID.img`: one for each thread.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CoreEntry {
    /// The processor: [`MACHINE_X86_64`] and others.
    #[prost(uint32, required, tag = "1")]
    pub machine: u32,
    /// The registers, on x86-64.
    #[prost(message, optional, tag = "2")]
    pub x86: Option<ThreadInfoX86>,
    /// Of the process; other threads have none.
    #[prost(message, optional, tag = "3")]
    pub task: Option<TaskCoreEntry>,
    /// Of the process, as far as it is not in `ids-PID.img`.
    #[prost(message, optional, tag = "4")]
    pub ids: Option<TaskKobjIdsEntry>,
    /// Of the thread; a zombie has none.
    #[prost(message, optional, tag = "5")]
    pub thread: Option<ThreadCoreEntry>,
}

impl ImageMessage for CoreEntry {
    const MAGIC: u32 = 0x5505_3847;
    /// Most is for signals that wait, some 130 bytes each.
    const MAX_BYTES: u64 = 8 << 20;
    const MAX_MESSAGES: usize = 1;
}

/// `task_core_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskCoreEntry {
    /// [`TASK_ALIVE`] and others.
    #[prost(uint32, required, tag = "1")]
    pub state: u32,
    /// As wait(2) gives it, of a zombie.
    #[prost(uint32, required, tag = "2")]
    pub exit_code: u32,
    /// personality(2).
    #[prost(uint32, required, tag = "3")]
    pub personality: u32,
    /// `PF_…` of the kernel's `linux/sched.h`.
    #[prost(uint32, required, tag = "4")]
    pub flags: u32,
    /// Signals that are blocked, a bit each.
    #[prost(uint64, required, tag = "5")]
    pub blk_sigset: u64,
    /// Its short name.
    #[prost(bytes = "vec", required, tag = "6")]
    pub comm: Vec<u8>,
    /// In the order of `RLIMIT_…`.
    #[prost(message, optional, tag = "8")]
    pub rlimits: Option<TaskRlimitsEntry>,
    /// Signals that wait for any of its threads.
    #[prost(message, optional, tag = "10")]
    pub signals: Option<SignalQueueEntry>,
    /// Whose session it is: audit(8).
    #[prost(uint32, optional, tag = "13")]
    pub loginuid: Option<u32>,
    /// proc_pid_oom_score_adj(5).
    #[prost(int32, optional, tag = "14")]
    pub oom_score_adj: Option<i32>,
    /// From signal 1 on, but for SIGKILL and SIGSTOP.
    #[prost(message, repeated, tag = "15")]
    pub sigactions: Vec<SaEntry>,
    /// The signal that stopped it.
    #[prost(uint32, optional, tag = "21")]
    pub stop_signal: Option<u32>,
}

/// `task_rlimits_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TaskRlimitsEntry {
    /// One for each `RLIMIT_…`, from 0 on.
    #[prost(message, repeated, tag = "1")]
    pub rlimits: Vec<RlimitEntry>,
}

/// `rlimit_entry`; `u64::MAX` is no limit.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct RlimitEntry {
    /// What holds.
    #[prost(uint64, required, tag = "1")]
    pub cur: u64,
    /// What the process may set.
    #[prost(uint64, required, tag = "2")]
    pub max: u64,
}

/// `signal_queue_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SignalQueueEntry {
    /// The first comes first.
    #[prost(message, repeated, tag = "1")]
    pub signals: Vec<SiginfoEntry>,
}

/// `siginfo_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SiginfoEntry {
    /// `siginfo_t` of the kernel.
    #[prost(bytes = "vec", required, tag = "1")]
    pub siginfo: Vec<u8>,
}

/// `sa_entry`: what a process does at a signal.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct SaEntry {
    /// 0 is the default, 1 to ignore it, else the handler's address.
    #[prost(uint64, required, tag = "1")]
    pub sigaction: u64,
    /// `SA_…` of sigaction(2).
    #[prost(uint64, required, tag = "2")]
    pub flags: u64,
    /// Signals that are blocked meanwhile.
    #[prost(uint64, required, tag = "4")]
    pub mask: u64,
}

/// `task_kobj_ids_entry`: equal numbers are one thing that processes share.
#[derive(Clone, Copy, PartialEq, prost::Message)]
#[allow(missing_docs, reason = "namespaces(7)")]
pub struct TaskKobjIdsEntry {
    /// Memory.
    #[prost(uint32, required, tag = "1")]
    pub vm_id: u32,
    /// Descriptors, in `fdinfo-ID.img`.
    #[prost(uint32, required, tag = "2")]
    pub files_id: u32,
    /// Root and working directory.
    #[prost(uint32, required, tag = "3")]
    pub fs_id: u32,
    /// Handlers of signals.
    #[prost(uint32, required, tag = "4")]
    pub sighand_id: u32,
    #[prost(uint32, optional, tag = "5")]
    pub pid_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "6")]
    pub net_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub ipc_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "8")]
    pub uts_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "9")]
    pub mnt_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "10")]
    pub user_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "11")]
    pub cgroup_ns_id: Option<u32>,
    #[prost(uint32, optional, tag = "12")]
    pub time_ns_id: Option<u32>,
}

impl ImageMessage for TaskKobjIdsEntry {
    /// `IDS_MAGIC`.
    const MAGIC: u32 = 0x5443_2030;
    const MAX_BYTES: u64 = 4096;
    const MAX_MESSAGES: usize = 1;
}

/// `thread_core_entry`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ThreadCoreEntry {
    /// nice(1), from -20 to 19.
    #[prost(sint32, optional, tag = "3")]
    pub sched_nice: Option<i32>,
    /// `SCHED_…` of sched(7).
    #[prost(uint32, optional, tag = "4")]
    pub sched_policy: Option<u32>,
    /// sched(7).
    #[prost(uint32, optional, tag = "5")]
    pub sched_prio: Option<u32>,
    /// Signals that are blocked, a bit each.
    #[prost(uint64, optional, tag = "6")]
    pub blk_sigset: Option<u64>,
    /// Signals that wait for this thread.
    #[prost(message, optional, tag = "9")]
    pub signals: Option<SignalQueueEntry>,
    /// Who it is.
    #[prost(message, optional, tag = "10")]
    pub creds: Option<CredsEntry>,
    /// `SECCOMP_MODE_…` of linux/seccomp.h.
    #[prost(uint32, optional, tag = "11")]
    pub seccomp_mode: Option<u32>,
    /// Its short name.
    #[prost(bytes = "vec", optional, tag = "13")]
    pub comm: Option<Vec<u8>>,
}
