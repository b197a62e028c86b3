//! One tree that is taken: what is in it, and how fast a part of it is taken now, while the container still runs.

use std::fs::File;
use std::io;

use aligntar::visit_names;

use super::census::{Census, Count, Fate};
use super::trial::{self, Rates, Tree};

/// Counts what is in `tree`, which goes into `target`, and takes some of it there, which is cut to nothing again.
pub(super) fn look(tree: Tree<'_>, target: &File, fate: Fate, headroom: u64) -> io::Result<(Census, Rates)> {
    // What cannot be opened is what the capture itself will name.
    let Ok(root) = File::open(tree.root()) else { return Ok(Default::default()) };
    let mut count = Count::new(target, fate);
    let _ = visit_names(&root, &mut |parent, name, file_type| count.visit(parent, name, file_type));
    let rates = trial::rates(tree, &count, target, headroom)?;
    Ok((count.census, rates))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use aligntar::{Alignment, ClonePolicy, Span, transfer};
    use rustix::fs::IFlags;

    use super::super::Estimate;
    use super::*;

    #[test]
    fn hard_links_are_copied_once_and_the_target_is_left_empty() {
        let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempfile().unwrap());
        fs::create_dir(folder.path().join("below")).unwrap();
        fs::write(folder.path().join("below/one"), vec![1; 100_000]).unwrap();
        fs::write(folder.path().join("small"), vec![1; 10_000]).unwrap();
        let look = |folder: &Path| look(Tree::Whole(folder), &target, Fate::Copied, 0).unwrap();
        let (before, rates) = look(folder.path());
        assert_eq!((before.names, before.extents, before.nodatacow_bytes), (3, 0, 0));
        assert!(before.copied_bytes >= 110_000 && before.told_bytes == before.copied_bytes, "{before:?}");
        assert!(rates.byte > 0.0 && rates.byte_on_disk > rates.byte, "{rates:?}");
        fs::hard_link(folder.path().join("below/one"), folder.path().join("two")).unwrap();
        assert_eq!(look(folder.path()).0, Census { names: 4, ..before });
        (0..100).for_each(|number| fs::write(folder.path().join(number.to_string()), "small").unwrap());
        assert!(look(folder.path()).1.name > Duration::ZERO);
        assert_eq!(target.metadata().unwrap().len(), 0);
        assert_eq!(look(Path::new("/no/such/folder")).0, Census::default());
    }

    /// Blocks of two files in turn: as many extents as blocks.
    fn ragged(folder: &Path, blocks: u64) -> (Census, Rates) {
        let elsewhere = tempfile::tempdir_in(folder.parent().unwrap()).unwrap();
        let sources = ["one", "two"].map(|name| elsewhere.path().join(name));
        sources.iter().for_each(|path| fs::write(path, vec![7; blocks as usize * 4096]).unwrap());
        let sources = sources.map(|path| File::open(path).unwrap());
        sources.iter().for_each(|source| source.sync_all().unwrap());
        let file = File::create(folder.join("ragged")).unwrap();
        for block in 0..blocks {
            let offset = block * 4096;
            let span = Span { source_offset: offset, target_offset: offset, length: 4096 };
            let source = &sources[block as usize % 2];
            transfer(source, &file, span, Alignment::DEFAULT, ClonePolicy::Required).unwrap();
        }
        let target = tempfile::tempfile_in(folder).unwrap();
        let (census, rates) = look(Tree::Whole(folder), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!(target.metadata().unwrap().len(), 0);
        (census, rates)
    }

    #[test]
    #[ignore = "needs root and loop devices: cargo xtask test"]
    fn privileged_files_in_many_extents_are_told() {
        for place in ["/mnt/btrfs", "/mnt/xfs"] {
            let (census, rates) = ragged(tempfile::tempdir_in(place).unwrap().path(), 20_000);
            assert_eq!((census.extents, census.copied_bytes), (20_000, 0), "{place}");
            let mut estimate = Estimate::default();
            estimate.add("the container", census, &rates, &mut u64::MAX.clone());
            let told = estimate.warning().unwrap();
            assert!(told.contains("20000 extents are cloned") && estimate.time > Duration::ZERO, "{told}");
        }
    }

    #[test]
    #[ignore = "needs root and loop devices: cargo xtask test"]
    fn privileged_btrfs_files_without_copy_on_write_are_copied() {
        let folder = tempfile::tempdir_in("/mnt/btrfs").unwrap();
        let file = File::create(folder.path().join("database")).unwrap();
        rustix::fs::ioctl_setflags(&file, IFlags::NOCOW).unwrap();
        fs::write(folder.path().join("database"), vec![7; 3 << 20]).unwrap();
        file.sync_all().unwrap();
        let target = tempfile::tempfile_in(folder.path()).unwrap();
        let (census, rates) = look(Tree::Whole(folder.path()), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!((census.nodatacow_bytes, census.copied_bytes, census.extents), (3 << 20, 3 << 20, 0));
        assert!(rates.byte > 0.0);
        // Where the target is one as well, the two can share blocks.
        rustix::fs::ioctl_setflags(&target, IFlags::NOCOW).unwrap();
        let (census, _) = look(Tree::Whole(folder.path()), &target, Fate::Cloned, u64::MAX).unwrap();
        assert_eq!((census.copied_bytes, census.extents), (0, 1));
    }
}
