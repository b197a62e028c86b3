//! `--reflink`: whether files may be copied where they cannot be cloned.

use aligntar::ClonePolicy;
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(crate) struct ReflinkArgument {
    /// When to clone files: where the file system can, always (fail otherwise), or never
    #[arg(long, value_enum, default_value_t = Reflink::Auto, value_name = "WHEN")]
    reflink: Reflink,
}

#[derive(Clone, Copy, ValueEnum)]
enum Reflink {
    Auto,
    Always,
    Never,
}

impl ReflinkArgument {
    pub(crate) fn policy(&self) -> ClonePolicy {
        match self.reflink {
            Reflink::Auto => ClonePolicy::IfPossible,
            Reflink::Always => ClonePolicy::Required,
            Reflink::Never => ClonePolicy::Never,
        }
    }
}
