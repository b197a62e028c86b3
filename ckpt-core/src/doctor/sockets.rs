//! Whether CRIU can dump the sockets of a network.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::finding::Finding;
use crate::engine::versions::numbers;

/// The first CRIU that can do without SO_PASSCRED (CRIU, issue 2705).
const CRIU: (u32, u32) = (4, 2);

/// By what CRIU says of its version.
pub(super) fn examine(criu: &str) -> Finding {
    match has_passcred() {
        Ok(has_passcred) => judge(numbers(criu), has_passcred),
        Err(errno) => Finding::unknown(CHECK, format!("no socket can be opened: {errno}"), "allow socket(2)"),
    }
}

const CHECK: &str = "network sockets";

/// Since Linux 6.16, only sockets of few families have that option, and those of a network are not among them.
fn has_passcred() -> rustix::io::Result<bool> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    match sockopt::socket_passcred(&socket) {
        Err(Errno::OPNOTSUPP) => Ok(false),
        answer => answer.map(|_| true),
    }
}

fn judge(criu: Option<(u32, u32)>, has_passcred: bool) -> Finding {
    match criu {
        Some(version) if version < CRIU && !has_passcred => Finding::warning(
            CHECK,
            "this CRIU cannot dump them on this kernel",
            "containers with TCP or UDP sockets, as servers have them, cannot be saved: install CRIU 4.2 or newer",
        ),
        _ => Finding::ok(CHECK, "CRIU can dump them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn an_old_criu_on_a_new_kernel_is_told() {
        for (criu, has_passcred, verdict) in [
            ("Version: 4.1.1", false, Verdict::Warning),
            ("Version: 3.17.1", false, Verdict::Warning),
            ("Version: 4.1.1", true, Verdict::Ok),
            ("Version: 4.2", false, Verdict::Ok),
            ("Version: 5.0", true, Verdict::Ok),
        ] {
            assert_eq!(judge(numbers(criu), has_passcred).verdict, verdict, "{criu} {has_passcred}");
        }
    }
}
