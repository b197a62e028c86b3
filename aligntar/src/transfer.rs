//! Moves file data: by clone, else by copy. Counts every byte by how it moved.

mod clone;
mod copy;
mod counts;
mod error;
mod holes;
mod policy;
mod span;

use std::fs::File;

use crate::align::Alignment;
pub(crate) use clone::clone_whole;
use clone::try_clone;
use copy::copy;
pub(crate) use copy::{read_exact_at, read_from_memory};
pub use counts::Transferred;
pub use error::TransferError;
use holes::check_end;
pub(crate) use holes::{first_segment, may_have_holes};
pub use policy::ClonePolicy;
pub use span::Span;

/// Moves `span` from `source` to `target`: whole blocks by clone where offsets and file system allow it, the rest by
/// copy. Holes of the source are skipped, so the target must read as zeros there; its size may stay short of the
/// span's end where the source ends in a hole.
///
/// # Errors
/// [`TransferError`]. That files cannot share blocks is an error only under [`ClonePolicy::Required`].
pub fn transfer(
    source: &File,
    target: &File,
    span: Span,
    fs_block: Alignment,
    policy: ClonePolicy,
) -> Result<Transferred, TransferError> {
    let read_error = |source| TransferError::Read { offset: span.source_offset, source };
    if !may_have_holes(source).map_err(read_error)? {
        return transfer_data(source, target, span, fs_block, policy);
    }
    let mut moved = Transferred::default();
    let mut done = 0;
    while done < span.length {
        let rest = span.part(done, span.length - done);
        let (segment, is_hole) = first_segment(source, rest).map_err(read_error)?;
        if is_hole {
            check_end(source, segment)?;
            moved.hole_bytes += segment.length;
        } else {
            moved += transfer_data(source, target, segment, fs_block, policy)?;
        }
        done += segment.length;
    }
    Ok(moved)
}

fn transfer_data(
    source: &File,
    target: &File,
    span: Span,
    fs_block: Alignment,
    policy: ClonePolicy,
) -> Result<Transferred, TransferError> {
    let whole_blocks = fs_block.align_down(span.length);
    let mut cloned_bytes = 0;
    if policy != ClonePolicy::Never && whole_blocks > 0 {
        let clone = span.part(0, whole_blocks);
        if try_clone(source, target, clone, fs_block, policy)? {
            cloned_bytes = whole_blocks;
        }
    }
    let rest = span.part(cloned_bytes, span.length - cloned_bytes);
    copy(source, target, rest, policy)?;
    Ok(Transferred { cloned_bytes, copied_bytes: rest.length, hole_bytes: 0, clone_calls: u64::from(cloned_bytes > 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::os::unix::fs::{FileExt, MetadataExt};

    const MIB: u64 = 1 << 20;

    fn whole(length: u64) -> Span {
        Span { source_offset: 0, target_offset: 0, length }
    }

    fn bytes_of(mut file: &File) -> Vec<u8> {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn holes_stay_holes() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 5000], 4 * MIB).unwrap();
        source.set_len(9 * MIB).unwrap();
        let moved = transfer(&source, &target, whole(9 * MIB), Alignment::DEFAULT, ClonePolicy::IfPossible).unwrap();
        assert_eq!(moved.cloned_bytes + moved.copied_bytes + moved.hole_bytes, 9 * MIB);
        assert!(moved.hole_bytes >= 8 * MIB, "{moved:?}");
        target.set_len(9 * MIB).unwrap();
        assert!(target.metadata().unwrap().blocks() * 512 < MIB);
        assert_eq!(bytes_of(&source), bytes_of(&target));
    }

    #[test]
    fn a_source_that_shrank_is_an_error() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 5000], 0).unwrap();
        for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
            let error = transfer(&source, &target, whole(6000), Alignment::DEFAULT, policy).unwrap_err();
            assert!(matches!(error, TransferError::SourceShrank { offset: 5000, missing: 1000 }), "{error:?}");
        }
    }

    #[test]
    fn a_sparse_source_that_shrank_is_an_error() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        for (data_at, size, expected) in [
            // Data, then a hole in which the file ends; a hole alone; a hole, and data that is gone with the end.
            (0, 6 * MIB, (6 * MIB, 3 * MIB)),
            (MIB, 512, (512, 9 * MIB - 512)),
            (8 * MIB, 7 * MIB, (7 * MIB, 2 * MIB)),
        ] {
            source.set_len(0).unwrap();
            source.write_all_at(&[1; 5000], data_at).unwrap();
            source.set_len(size).unwrap();
            for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
                let error = transfer(&source, &target, whole(9 * MIB), Alignment::DEFAULT, policy).unwrap_err();
                let TransferError::SourceShrank { offset, missing } = error else { panic!("{error:?}") };
                assert_eq!((offset, missing), expected);
            }
        }
    }

    #[test]
    fn required_clones_fail_off_the_blocks() {
        let (source, target) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        source.write_all_at(&[1; 9000], 0).unwrap();
        let span = Span { source_offset: 512, target_offset: 0, length: 8192 };
        let error = transfer(&source, &target, span, Alignment::DEFAULT, ClonePolicy::Required).unwrap_err();
        assert!(matches!(error, TransferError::Unaligned { source_offset: 512, .. }), "{error:?}");
        let moved = transfer(&source, &target, span, Alignment::DEFAULT, ClonePolicy::Never).unwrap();
        assert_eq!(moved, Transferred { copied_bytes: 8192, ..Transferred::default() });
        assert_eq!(bytes_of(&target), vec![1; 8192]);
    }
}
