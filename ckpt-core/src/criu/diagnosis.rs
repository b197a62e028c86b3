//! Tells in other words what CRIU complains of in its logs. Nothing is decided by it.
//!
//! Each sentence was provoked with CRIU 4.1.1 on Linux 6.18 and taken from its log. `{}` stands for what changes; in
//! the reason, `{0}` is the first of these.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What is read of a log: CRIU writes some hundred bytes a file, and what went wrong stands at its end.
const LONGEST_LOG: u64 = 64 << 20;

/// Complaints that stand in the logs of dumps and restores that succeed.
const HARMLESS: [&str; 2] = [
    "rlimit: Can't setup RLIMIT_NOFILE",
    // Of a deleted file of the image CRIU can make no link; it copies the file then.
    "trim failed: @",
];

/// What a table of complaints says of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// In words for people.
    pub(crate) reason: String,
    /// What to do, unless that is plain.
    pub(crate) advice: Option<&'static str>,
}

/// A sentence of CRIU.
struct Complaint {
    said: &'static str,
    reason: &'static str,
    advice: Option<&'static str>,
}

const fn complaint(said: &'static str, reason: &'static str, advice: &'static str) -> Complaint {
    Complaint { said, reason, advice: Some(advice) }
}

const CLOSE_FIRST: &str = "have the program close it first";

const COMPLAINTS: [Complaint; 17] = [
    complaint(
        "Can't dump ghost file {} of {} size, increase limit",
        "{0} is deleted but open, {1 bytes}, which is more than CRIU takes",
        "set `ghost-limit` in /etc/criu/default.conf higher, or have the program close it",
    ),
    complaint(
        "Can't create link remap for {}. Use link-remap option.",
        "{0} is open, has been removed, and has another name",
        "CRIU's configuration turns `link-remap` off, which would do",
    ),
    complaint(
        "Some file locks are hold by dumping tasks!",
        "a process holds a file lock",
        "take it along by --file-locks",
    ),
    complaint(
        "Connected TCP socket, consider using --tcp-established",
        "a TCP connection is open",
        "take it along by --tcp-established, and go on with it or close it when restoring",
    ),
    // Linux 6.16 has SO_PASSCRED (option 16) for sockets of few families only (CRIU, issue 2705).
    complaint(
        "Can't get 1:16 opt",
        "a TCP, UDP or raw socket is open (\"Can't get 1:16 opt\")",
        "this CRIU cannot dump sockets on this kernel, 4.2 or newer can",
    ),
    complaint(
        "External socket is used. Consider using --ext-unix-sk",
        "a Unix socket is connected to a process outside of the container",
        CLOSE_FIRST,
    ),
    complaint(
        "Unix socket {} without peer {}",
        "a Unix socket is connected to a process outside of the container",
        CLOSE_FIRST,
    ),
    // To a listener that has not accepted it yet.
    complaint(
        "Dangling connection {}",
        "a Unix socket is connected to a process outside of the container",
        CLOSE_FIRST,
    ),
    complaint(
        "Non-empty write queue on an in-flight socket",
        "a connection to a Unix socket of the container waits to be accepted, with data in it",
        "try again",
    ),
    complaint(
        "Can't dump that handle",
        "a file is watched (inotify or fanotify) whose path CRIU cannot find",
        "have the program stop watching it, or name its folder by `irmap-scan-path` in /etc/criu/default.conf",
    ),
    complaint(
        "Can't dump file {} of that type [{}] (anon anon_inode:{})",
        "a process has something open that CRIU cannot take: {2}",
        CLOSE_FIRST,
    ),
    complaint(
        "send_fds failed (-22)",
        "a process has something open that cannot be handed over, as io_uring",
        CLOSE_FIRST,
    ),
    complaint(
        "zombie {} (comm {}) found while seizing",
        "the process {1}, {0} on the host, is traced by another, a debugger for instance",
        "end that first",
    ),
    complaint(
        "Can't dump nested pid namespace for {}",
        "process {0} on the host has a PID namespace of its own",
        NESTED,
    ),
    complaint(
        "Can't dump nested user namespace for {}",
        "process {0} on the host has a user namespace of its own",
        NESTED,
    ),
    complaint(
        "Can't lookup mount={} for fd={} path={}",
        "{2} is open on a file system that is mounted nowhere in the container",
        CLOSE_FIRST,
    ),
    // runc 1.1 restores a clone into the original's cgroup, and CRIU then freezes a cgroup that its tasks are not in.
    complaint(
        "Unseizable non-zombie",
        "CRIU cannot stop a process of the container",
        "is it a clone that podman made with runc? ckpt gives clones a cgroup of their own",
    ),
];

const NESTED: &str = "CRIU dumps none but the container's; end that process first";

/// CRIU's complaints in a log of its own, in their order, without time and level.
pub(crate) fn errors(log: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let Ok(file) = File::open(log) else { return Vec::new() };
    if file.take(LONGEST_LOG).read_to_end(&mut text).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&text);
    let errors = text.lines().filter_map(|line| Some(line.split_once("Error ")?.1.trim()));
    errors.filter(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless))).map(str::to_owned).collect()
}

/// The one that came first is the cause; the last says what became of it.
pub(crate) fn first_and_last(errors: &[String]) -> impl Iterator<Item = &String> {
    errors.first().into_iter().chain(errors.last().filter(|_| errors.len() > 1))
}

/// Without the place in CRIU's source: `(criu/files.c:12): `.
pub(crate) fn without_place(error: &str) -> &str {
    match error.strip_prefix('(').and_then(|rest| rest.split_once("): ")) {
        Some((_, sentence)) => sentence,
        None => error,
    }
}

pub(crate) fn known(error: &str) -> Option<Known> {
    COMPLAINTS.iter().find_map(|complaint| {
        let values = values(complaint.said, error)?;
        Some(Known { reason: fill(complaint.reason, &values), advice: complaint.advice })
    })
}

/// What stands in `text` for each `{}` of `pattern`, which may begin and end anywhere in it.
fn values<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.split_once(parts.next()?)?.1;
    let mut values = Vec::new();
    for part in parts {
        let end = if part.is_empty() { rest.len() } else { rest.find(part)? };
        values.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    Some(values)
}

fn fill(reason: &str, values: &[&str]) -> String {
    let filled = |text: String, (at, value): (usize, &&str)| {
        let bytes = value.parse().map_or_else(|_| format!("{value} bytes"), human_bytes);
        text.replace(&format!("{{{at} bytes}}"), &bytes).replace(&format!("{{{at}}}"), value)
    };
    values.iter().enumerate().fold(reason.to_owned(), filled)
}

fn human_bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRIU 4.1.1, from its logs.
    #[test]
    fn sentences_are_told_in_other_words() {
        let cases = [
            (
                "(criu/files-reg.c:1031): Can't dump ghost file /srv/x of 5242880 size, increase limit",
                "/srv/x is deleted but open, 5 MiB",
            ),
            (
                "(criu/files-reg.c:1122): Can't create link remap for /srv/a. Use link-remap option.",
                "/srv/a is open, has been removed",
            ),
            (
                "(criu/file-lock.c:110): Some file locks are hold by dumping tasks! You can try --file-locks to dump them.",
                "a process holds a file lock",
            ),
            ("(criu/sockets.c:628): sockets: Can't get 1:16 opt: Operation not supported", "a TCP, UDP or raw socket"),
            (
                "(criu/sk-unix.c:874): unix: External socket is used. Consider using --ext-unix-sk option.",
                "outside of the container",
            ),
            ("(criu/sk-unix.c:418): unix: Unix socket 453699 without peer 448073", "outside of the container"),
            ("(criu/sk-unix.c:386): unix: Dangling connection 859780", "outside of the container"),
            (
                "(criu/sk-unix.c:506): unix: Non-empty write queue on an in-flight socket 0x3ed9b",
                "waits to be accepted",
            ),
            ("(criu/fsnotify.c:284): fsnotify: \tCan't dump that handle", "is watched"),
            (
                "(criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon anon_inode:[perf_event])",
                "cannot take: [perf_event]",
            ),
            (
                "(criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon anon_inode:bpf-map)",
                "cannot take: bpf-map",
            ),
            ("(criu/pie/parasite.c:588): send_fds failed (-22)", "io_uring"),
            (
                "(criu/seize.c:335): zombie 12756 (comm python3) found while seizing",
                "the process python3, 12756 on the host, is traced",
            ),
            (
                "(criu/namespaces.c:460): Can't dump nested pid namespace for 15708",
                "process 15708 on the host has a PID namespace",
            ),
            (
                "(criu/namespaces.c:460): Can't dump nested user namespace for 16249",
                "process 16249 on the host has a user namespace",
            ),
            ("(criu/files-reg.c:1790): Can't lookup mount=69 for fd=3 path=/q", "/q is open on a file system"),
        ];
        for (error, reason) in cases {
            let known = known(error).unwrap_or_else(|| panic!("{error} is not known"));
            assert!(known.reason.contains(reason), "{error}: {}", known.reason);
        }
        assert_eq!(known("(criu/cr-dump.c:2111): Dumping FAILED."), None);
    }

    #[test]
    fn only_what_changes_is_taken_out_of_a_sentence() {
        assert_eq!(values("a {} b {} c", "x a 1 b 2 3 c y"), Some(vec!["1", "2 3"]));
        assert_eq!(values("path={}", "fd=3 path=/q"), Some(vec!["/q"]));
        assert_eq!(values("a {} b", "a 1 c"), None);
        assert_eq!(without_place("(criu/x.c:1): inet: gone"), "inet: gone");
        assert_eq!(without_place("gone"), "gone");
    }

    #[test]
    fn sizes_have_a_unit() {
        let cases = [(5, "5 bytes"), (8192, "8 KiB"), (5 << 20, "5 MiB"), (3 << 29, "1.5 GiB")];
        for (bytes, expected) in cases {
            assert_eq!(human_bytes(bytes), expected);
        }
    }
}
