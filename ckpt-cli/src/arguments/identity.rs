//! `--identity`: keys that open encrypted archives.

#[cfg(feature = "encryption")]
use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct IdentityArgument {
    /// Open an encrypted archive (.age) with a key in this file, as age-keygen makes it; may be given several times. The archive is decrypted into a file without a name: in podman's storage to be restored, otherwise in TMPDIR, by default /var/tmp
    #[cfg(feature = "encryption")]
    #[arg(long, value_name = "FILE")]
    identity: Vec<PathBuf>,
}

#[cfg(feature = "encryption")]
mod opened {
    use anyhow::Result;
    use ckpt_core::encryption::Identities;
    use ckpt_core::interrupt::Interrupt;
    use ckpt_core::restore::{Import, RestoreOptions, decrypt};

    use super::IdentityArgument;
    use crate::spool;

    impl IdentityArgument {
        fn read_optional(&self) -> Result<Option<Identities>> {
            Ok(if self.identity.is_empty() { None } else { Some(Identities::read(&self.identity)?) })
        }

        /// The archive that a restore reads.
        pub(crate) fn open(&self, options: RestoreOptions) -> Result<RestoreOptions> {
            match self.read_optional()? {
                Some(identities) => Ok(decrypt(options, &identities)?),
                None => Ok(options),
            }
        }

        /// An archive that is only looked at.
        pub(crate) fn open_to_look(&self, import: Import, interrupt: Option<&Interrupt>) -> Result<Import> {
            match self.read_optional()? {
                Some(identities) => Ok(identities.decrypt(&import, &spool::folder(), interrupt)?),
                None => Ok(import),
            }
        }
    }
}

#[cfg(not(feature = "encryption"))]
mod closed {
    use anyhow::Result;
    use ckpt_core::interrupt::Interrupt;
    use ckpt_core::restore::{Import, RestoreOptions};

    use super::IdentityArgument;

    impl IdentityArgument {
        pub(crate) fn open(&self, options: RestoreOptions) -> Result<RestoreOptions> {
            Ok(options)
        }

        pub(crate) fn open_to_look(&self, import: Import, _: Option<&Interrupt>) -> Result<Import> {
            Ok(import)
        }
    }
}
