//! Random changes on random trees: whatever was done, the changes the walk yields make the same tree again.

mod support;

use std::path::Path;

use anyhow::{Context, Result};
use support::carry::round_trip;
use support::overlay::Overlay;

const SEQUENCES: u64 = 40;
const OPERATIONS: usize = 60;

macro_rules! on_btrfs_and_xfs {
    ($($options:expr => $btrfs:ident, $xfs:ident;)*) => {$(
        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $btrfs() -> Result<()> {
            sequences("/mnt/btrfs", $options)
        }

        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $xfs() -> Result<()> {
            sequences("/mnt/xfs", $options)
        }
    )*};
}

on_btrfs_and_xfs! {
    "" => privileged_btrfs_random_changes_come_back, privileged_xfs_random_changes_come_back;
    "redirect_dir=on,metacopy=on" => privileged_btrfs_random_changes_come_back_with_redirects, privileged_xfs_random_changes_come_back_with_redirects;
    "userxattr" => privileged_btrfs_random_changes_come_back_with_userxattr, privileged_xfs_random_changes_come_back_with_userxattr;
}

fn sequences(filesystem: &str, options: &str) -> Result<()> {
    (0..SEQUENCES).try_for_each(|seed| sequence(filesystem, options, seed).with_context(|| format!("seed {seed}")))
}

fn sequence(filesystem: &str, options: &str, seed: u64) -> Result<()> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
    let lowers = 1 + random.below(4);
    // Each lower layer is the upper one of a mount over those below it, so they hold whiteouts and redirects too.
    let overlay = Overlay::new(filesystem, lowers, options)?;
    act(&overlay.lower(lowers - 1), &mut random);
    for index in (0..lowers - 1).rev() {
        let mounted = overlay.mount_lower(index)?;
        act(mounted.path(), &mut random);
    }
    let mounted = overlay.mount("u")?;
    act(mounted.path(), &mut random);
    drop(mounted);
    round_trip(&overlay, "u", "again")
}

fn act(root: &Path, random: &mut Random) {
    for _ in 0..OPERATIONS {
        // Most random operations make no sense on what is there; those the kernel refuses.
        let _ = operation(root, random);
    }
}

fn operation(root: &Path, random: &mut Random) -> Result<()> {
    use std::fs;
    use std::os::unix::fs as unix;
    let (path, other) = (root.join(random.path()), root.join(random.path()));
    match random.below(16) {
        0..=2 => fs::create_dir_all(path)?,
        3 | 4 => fs::write(path, random.0.to_string())?,
        5 => fs::OpenOptions::new().append(true).open(path)?.set_len(random.0 % 10_000)?,
        6 => fs::remove_file(path)?,
        7 => fs::remove_dir_all(path)?,
        8..=10 => fs::rename(path, other)?,
        11 => fs::set_permissions(path, unix::PermissionsExt::from_mode(0o700 | (random.0 as u32 & 0o77)))?,
        12 => unix::lchown(path, Some(random.0 as u32 % 99), None)?,
        13 => support::set_xattr(&path, "user.note", &random.0.to_string())?,
        14 => unix::symlink("somewhere", path)?,
        _ => {
            // What an rm and a mkdir by the container do to a directory that stays in use.
            fs::remove_dir_all(&path)?;
            fs::create_dir(&path)?;
        }
    }
    Ok(())
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// One to three names out of few, so that operations meet.
    fn path(&mut self) -> String {
        let depth = 1 + self.below(3);
        (0..depth).map(|_| ["a", "b", "c", "d"][self.below(4)]).collect::<Vec<_>>().join("/")
    }
}
