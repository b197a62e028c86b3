//! `--format` of an archive of changes.

use ckpt_core::layer::Form;
use clap::ValueEnum;

/// How the archive says what was changed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FormArgument {
    /// rootfs-diff.tar and deleted.files, as in podman's checkpoints
    Podman,
    /// A layer of an OCI image: deletions are empty files .wh.NAME
    Oci,
    /// As in an upper directory: deletions are character devices 0:0
    Overlay,
}

impl From<FormArgument> for Form {
    fn from(form: FormArgument) -> Self {
        match form {
            FormArgument::Podman => Form::Podman,
            FormArgument::Oci => Form::Oci,
            FormArgument::Overlay => Form::Overlay,
        }
    }
}
