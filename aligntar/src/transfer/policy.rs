//! Whether data is cloned.

/// Whether data may, or must, be cloned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClonePolicy {
    /// Read and write every byte, also where the kernel could share blocks.
    Never,
    /// Clone where the file system can, copy where it cannot.
    #[default]
    IfPossible,
    /// Fail rather than copy a whole block.
    Required,
}
