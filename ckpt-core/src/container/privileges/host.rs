//! The host, as far as an archive's privileges depend on it.

use std::fs;
use std::path::Path;

/// What other containers of this host have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) selinux: bool,
    pub(crate) apparmor: bool,
}

impl Host {
    pub(crate) fn here() -> Self {
        Host {
            selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            apparmor: fs::read("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|enabled| enabled.starts_with(b"Y")),
        }
    }
}
