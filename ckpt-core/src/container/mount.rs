//! A mount as `spec.dump` has it.

use serde::Deserialize;

/// One of `mounts` in the OCI runtime specification.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mount {
    /// In the container.
    pub(super) destination: String,
    /// `bind` or a file system.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// On the host, of a `bind`.
    pub(super) source: String,
    pub(super) options: Vec<String>,
}

impl Mount {
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| option == name)
    }
}
