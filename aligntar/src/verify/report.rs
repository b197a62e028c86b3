//! What a verification found.

use crate::reader::ReadError;
use crate::shown::ShownName;

/// What [`crate::verify`] found in an archive.
#[derive(Debug, Default)]
pub struct Report {
    /// Members, those of nested archives included.
    pub members: u64,
    /// Bytes of regular files, holes included; of a nested archive those of its members.
    pub bytes: u64,
    /// Members that are archives themselves.
    pub nested_archives: u64,
    /// Regular files of a block or more whose data starts on a block.
    pub aligned_members: u64,
    /// Regular files of a block or more whose data does not.
    pub unaligned_members: u64,
    /// The first of these.
    pub first_unaligned: Option<Unaligned>,
    /// Whose blocks are shared; `None` for streams, and where the file system does not tell.
    pub sharing: Option<Sharing>,
    /// What is wrong, in the order it was found; empty for a sound archive.
    pub problems: Vec<Problem>,
}

/// A member whose data could lie on blocks and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unaligned {
    /// Its path.
    pub path: Vec<u8>,
    /// Where its data starts in the archive, bytes.
    pub data_offset: u64,
}

/// Blocks of the archive's file, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// All that it has: its length without holes, rounded to blocks.
    pub mapped_bytes: u64,
    /// Those of them that other files, or other places of this one, use too.
    pub shared_bytes: u64,
}

/// One thing that is wrong with an archive.
#[derive(Debug, thiserror::Error)]
#[error("at offset {offset}{}", .within.as_deref().map(in_nested).unwrap_or_default())]
pub struct Problem {
    /// Where, in bytes of the archive; decompressed ones where it is compressed.
    pub offset: u64,
    /// The path of the nested archive that it is in; `None`: in the archive itself.
    pub within: Option<Vec<u8>>,
    /// What.
    #[source]
    pub kind: ProblemKind,
}

fn in_nested(path: &[u8]) -> String {
    format!(", in {:?}", ShownName::new(path))
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ProblemKind {
    /// It cannot be read any further. What follows in this archive, nested or not, was not checked.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The last member is followed by nothing.
    #[error("the end marker is missing: the archive may be cut off")]
    NoEndMarker,
    /// One block of zeros where POSIX wants two.
    #[error("the end marker is cut off: one block of zeros instead of two")]
    HalfEndMarker,
    /// Bytes behind the end marker that are not zero, which readers do not see.
    #[error("something follows the end of the archive")]
    Trailing,
}
