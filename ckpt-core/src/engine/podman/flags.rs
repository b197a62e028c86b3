//! podman's flags for what an engine is asked to do.

use std::ffi::OsString;

use crate::engine::requests::{DumpRequest, RestoreRequest, TakenAlong};

/// Those of `podman container checkpoint`.
pub(super) fn of_dump(request: &DumpRequest) -> impl Iterator<Item = &'static str> {
    let flags = [
        (request.leave_running, "--leave-running"),
        (request.keep_logs, "--keep"),
        (request.with_previous, "--with-previous"),
    ];
    given(flags).chain(of_along(request.along))
}

/// Those of both commands.
pub(super) fn of_along(along: TakenAlong) -> impl Iterator<Item = &'static str> {
    given([(along.tcp_established, "--tcp-established"), (along.file_locks, "--file-locks")])
}

/// Those of `podman container restore`.
pub(super) fn of_restore(request: &RestoreRequest) -> Vec<OsString> {
    let switches = [
        // Their making and filling is ours.
        (true, "--ignore-volumes"),
        (request.ignore_rootfs, "--ignore-rootfs"),
        (request.ignore_static_ip, "--ignore-static-ip"),
        (request.ignore_static_mac, "--ignore-static-mac"),
        (request.keep_logs, "--keep"),
    ];
    let switches = given(switches).chain(of_along(request.along)).map(OsString::from);
    let pod = request.pod.iter().map(|pod| format!("--pod={pod}").into());
    let ports = request.publish.iter().map(|port| format!("--publish={port}").into());
    switches.chain(pod).chain(ports).collect()
}

fn given<const N: usize>(flags: [(bool, &'static str); N]) -> impl Iterator<Item = &'static str> {
    flags.into_iter().filter_map(|(given, flag)| given.then_some(flag))
}
