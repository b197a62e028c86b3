//! Namespaces, and who is in which.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::host::byte_string::ByteString;

/// A namespace: namespaces(7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Namespace {
    /// Its kind, as below /proc/PID/ns: `net`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Of a checkpoint, CRIU's number of it; of a container that runs, the kernel's.
    pub id: u64,
    /// The processes in it.
    pub pids: Vec<u32>,
    /// Of a `uts` namespace, the host's name; else none.
    pub host_name: Option<ByteString>,
}

/// Kinds as they are shown.
pub(super) const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Who is in which, while it is being found out.
#[derive(Debug, Default)]
pub(super) struct Census(BTreeMap<(&'static str, u64), Vec<u32>>);

impl Census {
    pub(super) fn add(&mut self, kind: &'static str, id: u64, pid: u32) {
        self.0.entry((kind, id)).or_default().push(pid);
    }

    /// All of them, where `host_name` knows that of a `uts` namespace.
    pub(super) fn into_namespaces(self, host_name: impl Fn(u64) -> Option<ByteString>) -> Vec<Namespace> {
        let namespace = |((kind, id), pids): ((&str, u64), Vec<u32>)| Namespace {
            kind: kind.to_owned(),
            id,
            pids,
            host_name: if kind == "uts" { host_name(id) } else { None },
        };
        self.0.into_iter().map(namespace).collect()
    }
}
