//! Processes that are CRIU, or parts of it, and whose they are.

use std::fs;
use std::path::Path;

use super::real_criu;
use crate::host::processes::{contains_path, read};

/// Started by a runtime: `criu swrk FD`. At work it calls itself `criu: restore --rpc -D IMAGES`, since CRIU 4.2 without
/// the images, and so does all that it forks. Nobody starts CRIU so by hand: `criu dump`, `page-server`, `lazy-pages` or
/// `service` are an administrator's.
pub(crate) fn is_criu(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    match program.strip_prefix(b"criu: ") {
        Some(title) => [&b"dump --rpc"[..], b"restore --rpc"].iter().any(|rpc| title.starts_with(rpc)),
        None => (program == b"criu" || program.ends_with(b"/criu")) && arguments.next() == Some(b"swrk"),
    }
}

/// Whether it is anybody's CRIU, or a part of one.
pub(crate) fn is_anyones_criu(pid: i32) -> bool {
    let arguments = read(pid, "cmdline");
    let program = arguments.split(|byte| *byte == 0).next().unwrap_or_default();
    program == b"criu" || program.ends_with(b"/criu") || program.starts_with(b"criu: ")
}

/// Whether it takes part in a restore: `setproctitle` in CRIU's `restore_using_req`, for it and all that it forks.
pub(crate) fn is_restored(pid: i32) -> bool {
    read(pid, "cmdline").starts_with(b"criu: restore --rpc")
}

/// CRIU names the bundle, in which its images are, or works in it.
pub(crate) fn is_criu_in(pid: i32, bundle: &Path) -> bool {
    let works_in_it = || fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder.starts_with(bundle));
    is_criu(pid) && (contains_path(&read(pid, "cmdline"), bundle) || works_in_it())
}

/// Whether it has open what our `criu` opens before it becomes CRIU. Its environment is no mark: CRIU writes its title
/// over that.
pub(crate) fn has_mark_of(pid: i32, session: &Path) -> bool {
    let mark = real_criu::mark(session);
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|file| file == mark)
}
