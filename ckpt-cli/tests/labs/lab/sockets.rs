//! What CRIU can do with sockets on this kernel.

use std::fs;

use super::succeed;

/// Linux 6.16 took an option away from sockets that CRIU before 4.2 asks each of them for.
pub(crate) fn criu_knows_sockets() -> bool {
    let version = |text: &str| -> Vec<u32> {
        let digits = text.trim_start_matches("Version: ").split(|char: char| !char.is_ascii_digit());
        digits.take(2).map(|number| number.parse().unwrap()).collect()
    };
    let criu = version(&succeed("criu", &["--version"]));
    let kernel = version(&fs::read_to_string("/proc/sys/kernel/osrelease").unwrap());
    criu >= vec![4, 2] || kernel < vec![6, 16]
}
