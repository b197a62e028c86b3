//! Upperdirs made by the library, as the kernel shows them.

mod support;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::Result;
use layerfs::{ApplyError, Deletion, IdMap, Layers, Upperdir, XattrNamespace};
use support::overlay::Overlay;
use support::{set_xattr, shell, tree};

/// Layers without a mount, for what needs no right.
fn plain_layers(dir: &Path) -> Result<Layers> {
    fs::create_dir(dir.join("lower"))?;
    fs::create_dir(dir.join("upper"))?;
    Ok(Layers {
        merged: None,
        upperdir: dir.join("upper"),
        lowerdirs: vec![dir.join("lower")],
        data_only_lowerdirs: Vec::new(),
        workdir: None,
        xattr_ns: XattrNamespace::Trusted,
        ids: IdMap::default(),
        part: std::path::PathBuf::new(),
        lower_ids: Vec::new(),
    })
}

#[test]
fn no_path_climbs_out() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layers = plain_layers(dir.path())?;
    shell(&layers.lowerdirs[0], "ln -s / link; touch file")?;
    shell(&layers.upperdir, "ln -s ../.. up; touch plain")?;
    let mut upper = Upperdir::open(&layers)?;
    for path in ["..", "../x", "a/../../x", "/etc/passwd"] {
        let path = Path::new(path);
        assert!(matches!(upper.delete(path), Err(ApplyError::UnsafePath { .. })), "{}", path.display());
        assert!(matches!(upper.copy_up_dir(path), Err(ApplyError::UnsafePath { .. })), "{}", path.display());
    }
    for (path, link) in [("up/etc", "up"), ("link/etc/passwd", "link")] {
        let path = Path::new(path);
        assert!(matches!(upper.delete(path), Err(ApplyError::Symlink { path }) if path == Path::new(link)));
        assert!(matches!(upper.copy_up_dir(path), Err(ApplyError::Symlink { path }) if path == Path::new(link)));
    }
    for path in ["file/x", "plain/x"] {
        assert_eq!(upper.delete(Path::new(path))?, Deletion::NotShown);
        assert!(matches!(upper.copy_up_dir(Path::new(path)), Err(ApplyError::NotADirectory { .. })));
    }
    assert!(matches!(upper.delete(Path::new("")), Err(ApplyError::Root)));
    assert!(matches!(upper.delete(Path::new(".")), Err(ApplyError::Root)));
    upper.finish()?;
    let mut names: Vec<_> =
        fs::read_dir(&layers.upperdir)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    names.sort();
    assert_eq!(names, ["plain", "up"]);
    Ok(())
}

#[test]
fn what_no_layer_shows_needs_no_whiteout() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layers = plain_layers(dir.path())?;
    shell(&layers.lowerdirs[0], "mkdir d")?;
    let mut upper = Upperdir::open(&layers)?;
    for path in ["never", "d/never", "no/such/parent"] {
        assert_eq!(upper.delete(Path::new(path))?, Deletion::NotShown, "{path}");
    }
    upper.finish()?;
    assert_eq!(fs::read_dir(&layers.upperdir)?.count(), 0);
    Ok(())
}

#[test]
fn what_the_merged_tree_has_is_told() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layers = plain_layers(dir.path())?;
    shell(&layers.lowerdirs[0], "mkdir etc old; touch etc/lower etc/gone old/file")?;
    shell(&layers.upperdir, "mkdir etc; touch etc/upper; mknod etc/gone c 0 0; mknod old c 0 0; ln -s etc link")?;
    let upper = Upperdir::open(&layers)?;
    for path in ["", "etc", "etc/lower", "etc/upper", "link"] {
        assert!(upper.shows(Path::new(path))?, "{path}");
    }
    for path in ["etc/gone", "old", "old/file", "none", "none/x"] {
        assert!(!upper.shows(Path::new(path))?, "{path}");
    }
    assert!(matches!(upper.shows(Path::new("link/lower")), Err(ApplyError::Symlink { .. })));
    assert!(matches!(upper.shows(Path::new("../x")), Err(ApplyError::UnsafePath { .. })));
    Ok(())
}

#[test]
fn times_the_caller_claims_are_left_alone() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layers = plain_layers(dir.path())?;
    shell(&layers.lowerdirs[0], "mkdir ours theirs; touch -d @1000000000 ours theirs")?;
    let mut upper = Upperdir::open(&layers)?;
    for name in ["ours", "theirs"] {
        upper.copy_up_dir(Path::new(name))?;
        shell(&layers.upperdir, &format!("touch -d @1500000000 {name}"))?;
    }
    upper.keep_times_of(Path::new("theirs"));
    upper.finish()?;
    assert_eq!(fs::metadata(layers.upperdir.join("ours"))?.mtime(), 1_000_000_000);
    assert_eq!(fs::metadata(layers.upperdir.join("theirs"))?.mtime(), 1_500_000_000);
    Ok(())
}

support::on_btrfs_and_xfs! {
    parents: privileged_btrfs_parents_look_like_the_lower_ones, privileged_xfs_parents_look_like_the_lower_ones;
    deletions: privileged_btrfs_deletions_keep_the_parents_times, privileged_xfs_deletions_keep_the_parents_times;
    opaque: privileged_btrfs_a_present_directory_becomes_opaque, privileged_xfs_a_present_directory_becomes_opaque;
    over_whiteout: privileged_btrfs_a_directory_over_a_whiteout_is_opaque, privileged_xfs_a_directory_over_a_whiteout_is_opaque;
}

/// Copied-up parents change nothing in the merged tree.
fn parents(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, "")?;
    shell(&overlay.lower(1), "mkdir -p a/b/c; chmod 3751 a/b; chown 11:12 a/b; touch a/b/c/file")?;
    shell(&overlay.lower(0), "mkdir a; chmod 711 a; chown 5:6 a; mkdir -m 1777 tmp")?;
    set_xattr(&overlay.lower(1).join("a/b"), "user.note", "kept")?;
    set_xattr(&overlay.lower(1).join("a/b"), "trusted.overlay.origin", "not to be copied")?;
    for lower in [overlay.lower(0), overlay.lower(1)] {
        shell(&lower, "find . -mindepth 1 -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +")?;
    }
    let before = tree::read(overlay.mount("none")?.path())?;

    let mut upper = Upperdir::open(&overlay.layers("u")?)?;
    upper.copy_up_dir(Path::new("a/b/c"))?;
    upper.copy_up_dir(Path::new("./tmp/"))?;
    // What a caller puts there changes the times until the end.
    fs::write(overlay.upper("u").join("a/b/c/new"), b"")?;
    fs::remove_file(overlay.upper("u").join("a/b/c/new"))?;
    upper.finish()?;

    let stored = tree::xattrs(&overlay.upper("u").join("a/b"))?;
    assert_eq!(stored.get(&b"user.note"[..]).map(Vec::as_slice), Some(&b"kept"[..]));
    assert!(!stored.contains_key(&b"trusted.overlay.origin"[..]));
    let mut after = tree::read(overlay.mount("u")?.path())?;
    // The root is not copied up but there; its times are the caller's.
    after.insert("".into(), before[Path::new("")].clone());
    assert_eq!(tree::differences(&before, &after), [""; 0]);
    Ok(())
}

fn deletions(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), "mkdir -p a/b c; touch a/b/one a/b/two c/gone; touch -d 2001-01-01 a/b a")?;
    let layers = overlay.layers("u")?;
    shell(&overlay.upper("u"), "mkdir c; touch -d '2002-02-02 02:02:02.123456789' c")?;
    let mut upper = Upperdir::open(&layers)?;
    assert_eq!(upper.delete(Path::new("a/b/one"))?, Deletion::Whiteout);
    assert_eq!(upper.delete(Path::new("a/b/one"))?, Deletion::Whiteout);
    assert_eq!(upper.delete(Path::new("a/b/one/deeper"))?, Deletion::NotShown);
    assert_eq!(upper.delete(Path::new("c/gone"))?, Deletion::Whiteout);
    upper.finish()?;

    let times = |path: &str| -> Result<_> {
        let metadata = fs::symlink_metadata(overlay.upper("u").join(path))?;
        Ok((metadata.mtime(), metadata.mtime_nsec()))
    };
    let lower = fs::metadata(overlay.lower(0).join("a/b"))?;
    assert_eq!(times("a/b")?, (lower.mtime(), lower.mtime_nsec()));
    assert_eq!(times("c")?, (1_012_615_322, 123_456_789));
    assert!(fs::symlink_metadata(overlay.upper("u").join("c/gone"))?.file_type().is_char_device());
    overlay.change("u", "test ! -e a/b/one; test -e a/b/two; test ! -e c/gone; test -z \"$(ls c)\"")
}

fn opaque(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), "mkdir -p d/sub; touch d/old d/sub/old file")?;
    let layers = overlay.layers("u")?;
    shell(&overlay.upper("u"), "mkdir d d/sub file; touch d/new")?;
    let mut upper = Upperdir::open(&layers)?;
    assert_eq!(upper.delete(Path::new("d"))?, Deletion::Opaque);
    assert_eq!(upper.delete(Path::new("d/old"))?, Deletion::NotShown);
    assert_eq!(upper.delete(Path::new("d/sub/old"))?, Deletion::NotShown);
    assert_eq!(upper.delete(Path::new("d/new"))?, Deletion::NotShown);
    assert_eq!(upper.delete(Path::new("file"))?, Deletion::NotShown);
    upper.finish()?;
    overlay.change("u", "test \"$(echo d/* d/sub/* file/*)\" = 'd/new d/sub d/sub/* file/*'")
}

fn over_whiteout(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), "mkdir -p d/sub; touch d/old d/sub/old")?;
    let mut upper = Upperdir::open(&overlay.layers("u")?)?;
    assert_eq!(upper.delete(Path::new("d"))?, Deletion::Whiteout);
    upper.copy_up_dir(Path::new("d/sub"))?;
    upper.finish()?;
    overlay.change("u", "test \"$(echo d/* d/sub/*)\" = 'd/sub d/sub/*'")
}
