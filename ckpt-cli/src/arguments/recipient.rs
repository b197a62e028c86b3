//! `--recipient`: who alone can read an archive.

use std::path::Path;
#[cfg(feature = "encryption")]
use std::path::PathBuf;

use aligntar::ClonePolicy;
use anyhow::{Result, ensure};
use ckpt_core::checkpoint::CheckpointOptions;
use ckpt_core::encryption::ENDING;
use clap::Args;

/// What to do instead where nothing encrypts.
const OTHER_NAME: &str = "choose another name, or encrypt it afterwards with age";

/// Refuses a name that says of an archive that it is encrypted, where it is not.
pub(crate) fn check_named_plain(path: &Path) -> Result<()> {
    check_plain(path, OTHER_NAME)
}

fn check_plain(path: &Path, advice: &str) -> Result<()> {
    let is_named_encrypted = path.extension().is_some_and(|ending| ending == ENDING);
    ensure!(!is_named_encrypted, "{} would not be encrypted: {advice}", path.display());
    Ok(())
}

#[derive(Args)]
pub(crate) struct RecipientArgument {
    /// Encrypt the archive, so that only who has this key of age can read it: age1…, or a file with one a line. May be given several times. Nothing can be cloned from it: a restore with --identity decrypts it first
    #[cfg(feature = "encryption")]
    #[arg(long, value_name = "KEY|FILE", requires = "export", conflicts_with_all = ["pre_checkpoint", "create_image", "fallback"])]
    recipient: Vec<PathBuf>,
}

impl RecipientArgument {
    /// Tells a checkpoint, whose archives will be called `export`.
    pub(crate) fn tell(&self, mut options: CheckpointOptions, export: Option<&Path>) -> Result<CheckpointOptions> {
        if self.is_given() {
            ensure!(
                options.clone_policy != ClonePolicy::Required,
                "an encrypted archive cannot be made of clones: leave --reflink always away"
            );
            self.set(&mut options)?;
        } else if let Some(export) = export {
            check_plain(export, "--recipient says for whom, or choose another name")?;
        }
        Ok(options)
    }

    #[cfg(feature = "encryption")]
    fn is_given(&self) -> bool {
        !self.recipient.is_empty()
    }

    #[cfg(feature = "encryption")]
    fn set(&self, options: &mut CheckpointOptions) -> Result<()> {
        options.recipients = Some(ckpt_core::encryption::Recipients::read(&self.recipient)?);
        Ok(())
    }

    #[cfg(not(feature = "encryption"))]
    fn is_given(&self) -> bool {
        false
    }

    #[cfg(not(feature = "encryption"))]
    fn set(&self, _: &mut CheckpointOptions) -> Result<()> {
        Ok(())
    }
}
