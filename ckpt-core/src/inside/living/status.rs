//! `/proc/PID/status`: proc_pid_status(5).

use crate::host::processes::read;
use crate::inside::process::{Credentials, ProcessState, capabilities};

/// What it says of a process, or of a thread.
#[derive(Debug)]
pub(super) struct Status {
    /// Its ID, as its own PID namespace has it.
    pub(super) pid: u32,
    /// Its parent's, as the host has it.
    pub(super) parent: i32,
    pub(super) group_id: u32,
    pub(super) session_id: u32,
    pub(super) state: ProcessState,
    pub(super) credentials: Credentials,
}

impl Status {
    /// None if it is gone.
    pub(super) fn of(pid: i32) -> Option<Self> {
        parse(&String::from_utf8_lossy(&read(pid, "status")))
    }
}

fn parse(text: &str) -> Option<Status> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let numbers = |name: &str| -> Vec<u32> {
        field(name).into_iter().flat_map(str::split_whitespace).filter_map(|word| word.parse().ok()).collect()
    };
    let innermost = |name: &str| numbers(name).last().copied();
    let bits = |name: &str| field(name).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    let (uids, gids) = (numbers("Uid"), numbers("Gid"));
    Some(Status {
        pid: innermost("NSpid")?,
        parent: field("PPid")?.parse().ok()?,
        group_id: innermost("NSpgid").unwrap_or_default(),
        session_id: innermost("NSsid").unwrap_or_default(),
        state: state(field("State")?),
        credentials: Credentials {
            uid: *uids.first()?,
            effective_uid: *uids.get(1)?,
            gid: *gids.first()?,
            effective_gid: *gids.get(1)?,
            groups: numbers("Groups"),
            effective_capabilities: capabilities(bits("CapEff")),
            bounding_capabilities: capabilities(bits("CapBnd")),
            no_new_privileges: field("NoNewPrivs") == Some("1"),
        },
    })
}

fn state(letter: &str) -> ProcessState {
    match letter.as_bytes().first() {
        Some(b'R' | b'S' | b'D' | b'I') => ProcessState::Running,
        Some(b'T' | b't') => ProcessState::Stopped,
        Some(b'Z') => ProcessState::Zombie,
        Some(b'X') => ProcessState::Dead,
        _ => ProcessState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_innermost_namespace() {
        let status = parse(
            "Name:\tsh\nState:\tT (stopped)\nPPid:\t10\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10\n\
             NSpid:\t100\t7\nNSpgid:\t100\t1\nNSsid:\t100\t0\nCapEff:\t0000000000000003\nNoNewPrivs:\t1\n",
        );
        let status = status.unwrap();
        assert_eq!((status.pid, status.parent, status.group_id, status.session_id), (7, 10, 1, 0));
        assert_eq!(status.state, ProcessState::Stopped);
        let rights = status.credentials;
        assert_eq!(
            (rights.uid, rights.effective_uid, rights.effective_gid, &rights.groups[..]),
            (1, 2, 6, &[9, 10][..])
        );
        assert_eq!(rights.effective_capabilities, ["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
        assert!(rights.no_new_privileges && parse("").is_none());
    }
}
