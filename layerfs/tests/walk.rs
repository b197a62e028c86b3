//! What a walk yields for the markers the kernel makes, and that it is enough to make the same tree again.

mod support;

use anyhow::Result;
use support::carry::round_trip;
use support::overlay::Overlay;
use support::{changes, set_xattr, shell};

const REDIRECT: &str = "redirect_dir=on,metacopy=on";

support::on_btrfs_and_xfs! {
    edits: privileged_btrfs_edits_are_seen, privileged_xfs_edits_are_seen;
    recreated: privileged_btrfs_a_recreated_directory_loses_old_children, privileged_xfs_a_recreated_directory_loses_old_children;
    kinds: privileged_btrfs_a_change_of_kind_is_one_change, privileged_xfs_a_change_of_kind_is_one_change;
    whiteouts: privileged_btrfs_whiteouts_of_nothing_say_nothing, privileged_xfs_whiteouts_of_nothing_say_nothing;
    several: privileged_btrfs_several_lower_layers_merge, privileged_xfs_several_lower_layers_merge;
    metacopy: privileged_btrfs_metacopy_data_comes_from_below, privileged_xfs_metacopy_data_comes_from_below;
    renamed: privileged_btrfs_a_renamed_directory_comes_whole, privileged_xfs_a_renamed_directory_comes_whole;
    stacked: privileged_btrfs_redirects_lead_through_several_layers, privileged_xfs_redirects_lead_through_several_layers;
    userxattr: privileged_btrfs_userxattr_markers_are_read, privileged_xfs_userxattr_markers_are_read;
    data_only: privileged_btrfs_data_only_layers_lend_data, privileged_xfs_data_only_layers_lend_data;
    xattr_whiteouts: privileged_btrfs_xattr_whiteouts_in_lower_layers_hide, privileged_xfs_xattr_whiteouts_in_lower_layers_hide;
    ignored: privileged_btrfs_markers_without_a_meaning_are_ignored, privileged_xfs_markers_without_a_meaning_are_ignored;
    indexed: privileged_btrfs_an_index_of_hard_links_is_refused, privileged_xfs_an_index_of_hard_links_is_refused;
    nested: privileged_btrfs_an_overlay_within_keeps_its_markers, privileged_xfs_an_overlay_within_keeps_its_markers;
}

/// A little root filesystem.
const IMAGE: &str = "mkdir -p etc/app/conf usr/lib var/log
    echo one > etc/one; echo two > etc/two; echo app > etc/app/app; echo x > etc/app/conf/x; echo y > etc/app/conf/y
    echo lib > usr/lib/lib.so; ln -s lib.so usr/lib/link; echo log > var/log/log
    chown 5:6 etc/app; chmod 2750 etc/app
    find . -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +";

fn over_image(filesystem: &str) -> Result<Overlay> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), IMAGE)?;
    Ok(overlay)
}

/// The upperdir `u` has these changes, and says the same once they are carried into a new one.
fn check_changes(overlay: &Overlay, expected: &[&str]) -> Result<()> {
    assert_eq!(changes(&overlay.layers("u")?)?, expected);
    round_trip(overlay, "u", "again")
}

fn edits(filesystem: &str) -> Result<()> {
    let overlay = over_image(filesystem)?;
    let script = "echo changed >> etc/one; rm etc/two; rm -r var/log; chmod 700 usr; chown 7:8 usr/lib/lib.so
        mkdir -p new/deep; echo n > new/deep/file; ln -s nowhere new/symlink; mkfifo new/fifo; mknod new/null c 1 3
        touch etc/app; truncate -s 1M new/hole; printf x > $'new/\\377 \\n'";
    let mounted = overlay.mount("u")?;
    shell(mounted.path(), script)?;
    set_xattr(&mounted.path().join("new"), "trusted.mine", "1")?;
    set_xattr(&mounted.path().join("new/symlink"), "trusted.mine", "2")?;
    drop(mounted);
    let expected = [
        "P ",
        "P etc",
        "P etc/app",
        "P etc/one",
        "D etc/two",
        "P new",
        "P new/deep",
        "P new/deep/file",
        "P new/fifo",
        "P new/hole",
        "P new/null",
        "P new/symlink",
        "P new/\u{fffd} \n",
        "P usr",
        "P usr/lib",
        "P usr/lib/lib.so",
        "P var",
        "D var/log",
    ];
    check_changes(&overlay, &expected)
}

fn recreated(filesystem: &str) -> Result<()> {
    let overlay = over_image(filesystem)?;
    overlay.change("u", "rm -r etc; mkdir -p etc/app/conf; echo new > etc/new; echo y2 > etc/app/conf/y")?;
    let expected = [
        "P ",
        "P etc",
        "P etc/app",
        "D etc/app/app",
        "P etc/app/conf",
        "D etc/app/conf/x",
        "P etc/app/conf/y",
        "P etc/new",
        "D etc/one",
        "D etc/two",
    ];
    check_changes(&overlay, &expected)
}

fn kinds(filesystem: &str) -> Result<()> {
    let overlay = over_image(filesystem)?;
    let script = "rm -r etc/app; echo file > etc/app; rm etc/one; mkdir etc/one; echo in > etc/one/in
        rm -r usr/lib; ln -s /var usr/lib";
    overlay.change("u", script)?;
    let expected = ["P ", "P etc", "P etc/app", "P etc/one", "P etc/one/in", "P usr", "P usr/lib"];
    check_changes(&overlay, &expected)
}

fn whiteouts(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, "")?;
    shell(&overlay.lower(1), "mkdir d; touch d/gone d/kept")?;
    // The upper of the two lower layers hides a file already.
    shell(&overlay.lower(0), "mkdir d; mknod d/gone c 0 0")?;
    overlay.layers("u")?;
    shell(&overlay.upper("u"), "mkdir d; mknod d/gone c 0 0; mknod d/never c 0 0; mknod d/kept c 0 0")?;
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P d", "D d/kept"]);
    round_trip(&overlay, "u", "again")
}

fn several(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 3, "")?;
    shell(&overlay.lower(2), "mkdir -p a/sub b f; touch a/bottom a/sub/bottom b/bottom f/bottom")?;
    shell(&overlay.lower(1), "mkdir -p a/sub b; touch a/middle a/sub/middle b/middle f")?;
    set_xattr(&overlay.lower(1).join("b"), "trusted.overlay.opaque", "y")?;
    shell(&overlay.lower(0), "mkdir a f; touch a/top f/top; mknod a/sub c 0 0")?;
    overlay.change("u", "rm -r a b f; mkdir a b f; touch a/new")?;
    let expected =
        ["P ", "P a", "D a/bottom", "D a/middle", "P a/new", "D a/top", "P b", "D b/middle", "P f", "D f/top"];
    check_changes(&overlay, &expected)
}

fn metacopy(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, REDIRECT)?;
    shell(&overlay.lower(0), IMAGE)?;
    let script = "chmod 600 etc/one; mv etc/two etc/renamed; chown 1:1 etc/app/app; mv etc/app/app usr/lib/moved
        chmod 600 etc/app/conf/x; echo more >> etc/app/conf/x; mkdir new; mv etc/app/conf/y new/y";
    overlay.change("u", script)?;
    let expected = [
        "P ",
        "P etc",
        "P etc/app",
        "D etc/app/app",
        "P etc/app/conf",
        "P etc/app/conf/x",
        "D etc/app/conf/y",
        "L etc/one",
        "L etc/renamed",
        "D etc/two",
        "P new",
        "L new/y",
        "P usr",
        "P usr/lib",
        "L usr/lib/moved",
    ];
    check_changes(&overlay, &expected)
}

fn renamed(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, REDIRECT)?;
    shell(&overlay.lower(1), IMAGE)?;
    shell(
        &overlay.lower(0),
        "mkdir -p etc/app; echo top > etc/app/top; mkdir etc/app/conf; mknod etc/app/conf/y c 0 0",
    )?;
    let script = "mv etc/app etc/moved; mkdir new; mv usr/lib new/lib; rm etc/moved/app; chmod 600 etc/moved/conf/x
        mkdir etc/app; echo other > etc/app/top";
    overlay.change("u", script)?;
    let expected = [
        "P ",
        "P etc",
        "P etc/app",
        "D etc/app/app",
        "D etc/app/conf",
        "P etc/app/top",
        "P etc/moved",
        "P etc/moved/conf",
        "L etc/moved/conf/x",
        "P etc/moved/top",
        "P new",
        "P new/lib",
        "P new/lib/lib.so",
        "P new/lib/link",
        "P usr",
        "D usr/lib",
    ];
    check_changes(&overlay, &expected)
}

/// Lower layers that are themselves made by overlays, with redirects and metacopy files in them.
fn stacked(filesystem: &str) -> Result<()> {
    let bottom = Overlay::new(filesystem, 1, REDIRECT)?;
    shell(&bottom.lower(0), IMAGE)?;
    let first = "mv etc/app etc/first; mv etc/one etc/uno; chmod 600 etc/uno; mkdir new; mv usr/lib new/lib
        mkdir kept; mv var/log kept/log";
    bottom.change("u", first)?;
    let top = Overlay::new(filesystem, 2, REDIRECT)?;
    for (from, to) in [(bottom.upper("u"), top.lower(0)), (bottom.lower(0), top.lower(1))] {
        std::fs::remove_dir(&to)?;
        std::fs::rename(from, to)?;
    }
    let second = "mv etc/first etc/second; mv etc/uno etc/ein; chmod 640 etc/ein; mv new/lib lib; chmod 600 lib/lib.so
        mv etc/second/conf moved; chown 3:3 moved/x; rm kept/log/log";
    top.change("u", second)?;
    // Shown through a redirect that leads out of an opaque directory of the lower layer.
    assert!(changes(&top.layers("u")?)?.contains(&"D kept/log/log".into()));
    round_trip(&top, "u", "again")
}

fn userxattr(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "userxattr")?;
    shell(&overlay.lower(0), IMAGE)?;
    let mounted = overlay.mount("u")?;
    shell(mounted.path(), "rm -r etc; mkdir etc; echo new > etc/new")?;
    set_xattr(&mounted.path().join("etc/new"), "user.overlay.opaque", "mine")?;
    drop(mounted);
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P etc", "D etc/app", "P etc/new", "D etc/one", "D etc/two"]);
    round_trip(&overlay, "u", "again")
}

fn data_only(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, REDIRECT)?.with_data_only(2)?;
    shell(&overlay.data_layer(0), "echo first > first")?;
    shell(&overlay.data_layer(1), "mkdir objects; echo second > objects/second; echo hidden > first")?;
    shell(&overlay.lower(0), "mkdir d; truncate -s 6 d/first; truncate -s 7 d/second")?;
    for (name, object) in [("d/first", "/first"), ("d/second", "/objects/second")] {
        set_xattr(&overlay.lower(0).join(name), "trusted.overlay.metacopy", "")?;
        set_xattr(&overlay.lower(0).join(name), "trusted.overlay.redirect", object)?;
    }
    overlay.change("u", "chmod 600 d/second; mv d moved; grep -q first moved/first")?;
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "D d", "P moved", "L moved/first", "L moved/second"]);
    round_trip(&overlay, "u", "again")
}

/// The kernel itself cannot remove a directory that has them, so the upperdir is made by hand.
fn xattr_whiteouts(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 2, "")?;
    shell(&overlay.lower(1), "mkdir d e; touch d/gone d/kept e/gone e/kept")?;
    shell(&overlay.lower(0), "mkdir d e; touch d/gone e/gone")?;
    for name in ["d", "e"] {
        let dir = overlay.lower(0).join(name);
        set_xattr(&dir.join("gone"), "trusted.overlay.whiteout", "")?;
        set_xattr(&dir, "trusted.overlay.opaque", "x")?;
    }
    overlay.layers("u")?;
    shell(&overlay.upper("u"), "mkdir d e; mknod d/gone c 0 0; mknod d/kept c 0 0")?;
    set_xattr(&overlay.upper("u").join("e"), "trusted.overlay.opaque", "y")?;
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P d", "D d/kept", "P e", "D e/kept"]);
    round_trip(&overlay, "u", "again")
}

fn nested(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), "mkdir d; touch d/old")?;
    let mounted = overlay.mount("u")?;
    set_xattr(&mounted.path().join("d"), "trusted.overlay.opaque", "y")?;
    set_xattr(&mounted.path().join("d"), "trusted.overlay.redirect", "no")?;
    drop(mounted);
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P d"]);
    round_trip(&overlay, "u", "again")
}

fn ignored(filesystem: &str) -> Result<()> {
    let overlay = over_image(filesystem)?;
    overlay.change("u", "echo more >> etc/one; touch etc/app/new")?;
    for (path, marker) in [("etc", "impure"), ("etc/one", "origin"), ("etc/one", "nlink"), ("etc/app", "uuid")] {
        set_xattr(&overlay.upper("u").join(path), &format!("trusted.overlay.{marker}"), "")?;
    }
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P etc", "P etc/app", "P etc/app/new", "P etc/one"]);
    round_trip(&overlay, "u", "again")
}

/// One change shows under two names, one of which the upperdir does not have.
fn indexed(filesystem: &str) -> Result<()> {
    let overlay = Overlay::new(filesystem, 1, "index=on")?;
    shell(&overlay.lower(0), "echo one > first; ln first second; echo other > other")?;
    overlay.change("u", "echo two >> other")?;
    assert_eq!(changes(&overlay.layers("u")?)?, ["P ", "P other"]);
    overlay.change("u", "echo two >> first; grep -q two second")?;
    let refused = changes(&overlay.layers("u")?).map_err(|error| format!("{error:#}"));
    assert!(refused.is_err_and(|error| error.contains("first was changed together with other names")));
    Ok(())
}
