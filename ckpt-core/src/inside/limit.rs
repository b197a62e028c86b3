//! Limits of resources: getrlimit(2).

use schemars::JsonSchema;
use serde::Serialize;

/// The names by number, asm-generic/resource.h. Other architectures number some of them otherwise (CRIU's images are of
/// the machine that made them); those that this project is tried on do not.
pub(super) const NAMES: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

/// What a process may use of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Limit {
    /// Which, as prlimit(1) calls it: `nofile`.
    pub name: String,
    /// What holds now; none for no limit. The unit is the resource's own.
    pub soft: Option<u64>,
    /// How far the process may raise that itself; none for no limit.
    pub hard: Option<u64>,
}

impl Limit {
    /// The limit of this number; `u64::MAX` is `RLIM_INFINITY`.
    pub(super) fn numbered(number: usize, soft: u64, hard: u64) -> Self {
        let name = NAMES.get(number).map_or_else(|| number.to_string(), |name| (*name).to_owned());
        let finite = |value: u64| Some(value).filter(|value| *value != u64::MAX);
        Limit { name, soft: finite(soft), hard: finite(hard) }
    }
}
