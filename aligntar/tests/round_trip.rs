//! A tree goes into an archive and comes out the same; on BTRFS and XFS without a block copied.

mod tree;

use std::fs::{self, File};
use std::path::Path;

use aligntar::{ClonePolicy, Kind, Reader, Transferred, Written, extents};
use tempfile::TempDir;

/// Gives the folder as well: the trees in it share the archive's blocks for as long as they are there.
fn round_trip(folder: &Path, policy: ClonePolicy) -> (TempDir, File, Written, Transferred) {
    let folder = tempfile::tempdir_in(folder).unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    fs::create_dir(&source).unwrap();
    fs::create_dir(&target).unwrap();
    tree::make(&source);
    let archive = tempfile::tempfile_in(folder.path()).unwrap();
    // Clones need the blocks on the disk; tmpfs and others do not mind.
    rustix::fs::syncfs(&archive).unwrap();
    let written = tree::pack(&source, &archive, policy);
    let unpacked = tree::unpack(&archive, &target, policy);
    assert_eq!(tree::describe(&source), tree::describe(&target));
    (folder, archive, written, unpacked)
}

#[test]
fn a_tree_comes_back_whatever_the_policy() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
        let (_trees, archive, written, _) = round_trip(folder, policy);
        assert_eq!(written.end, archive.metadata().unwrap().len());
        assert!(written.moved.hole_bytes >= 8 << 20, "{written:?}");
    }
}

#[test]
fn data_of_a_block_or_more_lies_on_blocks() {
    let (_trees, archive, ..) = round_trip(Path::new(env!("CARGO_TARGET_TMPDIR")), ClonePolicy::Never);
    let mut aligned = 0;
    for entry in Reader::open(&archive).unwrap() {
        let entry = entry.unwrap();
        match entry.member.kind {
            Kind::Regular { size } if size >= 4096 => {
                assert_eq!(entry.data_offset % 4096, 0, "{entry:?}");
                aligned += 1;
            }
            _ => {}
        }
    }
    assert_eq!(aligned, 3);
}

fn every_block_is_cloned(file_system: &str) {
    let (_trees, archive, written, unpacked) = round_trip(Path::new(file_system), ClonePolicy::Required);
    let whole_blocks = (tree::LARGE / 4096 * 4096 + 4096) as u64;
    for moved in [written.moved, unpacked] {
        assert!(moved.cloned_bytes >= whole_blocks, "{moved:?}");
        assert!(moved.copied_bytes < 3 * 4096, "{moved:?}");
        assert_eq!(moved.clone_calls, 3);
    }
    let mut shared = 0;
    extents(&archive, |extent| shared += if extent.shared { extent.length } else { 0 }).unwrap();
    assert!(shared >= whole_blocks, "{shared} bytes shared");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_every_block_is_cloned() {
    every_block_is_cloned("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_every_block_is_cloned() {
    every_block_is_cloned("/mnt/xfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_ext4_copies_and_keeps_holes() {
    let (_trees, archive, written, unpacked) = round_trip(Path::new("/mnt/ext4"), ClonePolicy::IfPossible);
    assert_eq!(written.moved.cloned_bytes, 0);
    assert!(unpacked.hole_bytes >= 8 << 20, "{unpacked:?}");
    let on_disk = std::os::unix::fs::MetadataExt::blocks(&archive.metadata().unwrap()) * 512;
    assert!(on_disk < 3 << 20, "{on_disk} bytes on the disk");
}
