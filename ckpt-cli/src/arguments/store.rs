//! `--store`: where the saves are.

use std::path::{Path, PathBuf};

use clap::Args;

#[derive(Args)]
pub(crate) struct StoreArgument {
    /// The folder of the saves; by default what /etc/ckpt/ckpt.toml says, or else the folder ckpt beside podman's storage
    #[arg(long, value_name = "FOLDER")]
    store: Option<PathBuf>,
}

impl StoreArgument {
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.store.as_deref()
    }
}
