//! A member's data is reached through its entry alone: its blocks, and a file made of them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aligntar::{ClonePolicy, Entry, Kind, Member, Reader, VerifyOptions, WriteOptions, Writer, verify_file};

const SIZE: u64 = 1_000_000;

fn archive(folder: &Path) -> (File, Vec<Entry>) {
    let file = tempfile::tempfile_in(folder).unwrap();
    let mut writer = Writer::new(&file, WriteOptions::default()).unwrap();
    for byte in 1..4 {
        let member = Member::new(format!("file{byte}"), Kind::Regular { size: SIZE }, 0o644);
        writer.append_bytes(&member, &[byte; SIZE as usize]).unwrap();
    }
    writer.finish().unwrap();
    file.sync_all().unwrap();
    let entries = Reader::open(&file).unwrap().collect::<Result<_, _>>().unwrap();
    (file, entries)
}

fn assert_is(target: &File, byte: u8) {
    assert_eq!(target.metadata().unwrap().len(), SIZE);
    let mut bytes = vec![0; SIZE as usize];
    target.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes.iter().all(|&other| other == byte));
}

#[test]
fn any_member_can_be_taken_first() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (archive, entries) = archive(folder);
    let target = tempfile::tempfile_in(folder).unwrap();
    for (entry, byte) in entries.iter().zip([1, 2, 3]).rev() {
        for policy in [ClonePolicy::Never, ClonePolicy::IfPossible] {
            let moved = entry.clone_to(&archive, &target, policy).unwrap();
            assert_eq!(moved.cloned_bytes + moved.copied_bytes, SIZE);
            assert_is(&target, byte);
        }
    }
}

fn a_member_is_cloned_and_its_blocks_are_shared(file_system: &str) {
    let folder = Path::new(file_system);
    let (archive, entries) = archive(folder);
    let target = tempfile::tempfile_in(folder).unwrap();
    let moved = entries[1].clone_to(&archive, &target, ClonePolicy::Required).unwrap();
    assert_eq!((moved.cloned_bytes, moved.copied_bytes), (SIZE / 4096 * 4096, SIZE % 4096));
    assert_is(&target, 2);
    let shared_bytes = |entry: &Entry| -> u64 {
        let extents = entry.extents(&archive).unwrap();
        assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), SIZE, "{extents:?}");
        assert_eq!(extents[0].offset, 0);
        extents.iter().filter(|extent| extent.shared).map(|extent| extent.length).sum()
    };
    // The file system may tell of sharing by whole extents, never of less.
    assert!(shared_bytes(&entries[1]) >= moved.cloned_bytes);
    let report = verify_file(&archive, &VerifyOptions::default()).unwrap();
    assert!(report.problems.is_empty(), "{report:?}");
    assert_eq!((report.members, report.aligned_members, report.unaligned_members), (3, 3, 0));
    assert!(report.sharing.unwrap().shared_bytes >= moved.cloned_bytes, "{report:?}");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_btrfs_a_member_is_cloned_and_its_blocks_are_shared() {
    a_member_is_cloned_and_its_blocks_are_shared("/mnt/btrfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_xfs_a_member_is_cloned_and_its_blocks_are_shared() {
    a_member_is_cloned_and_its_blocks_are_shared("/mnt/xfs");
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn privileged_ext4_extents_are_those_of_the_member() {
    let (archive, entries) = archive(Path::new("/mnt/ext4"));
    for entry in &entries {
        let extents = entry.extents(&archive).unwrap();
        assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), SIZE, "{extents:?}");
        assert!(extents.iter().all(|extent| !extent.shared));
    }
}
