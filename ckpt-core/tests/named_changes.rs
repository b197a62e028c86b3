//! Changes that other tools lose, each by name: diff, archive and restore give them back.

#[path = "../../layerfs/tests/support/mod.rs"]
mod support;

mod carry;
#[path = "random/round_trip.rs"]
mod round_trip;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ckpt_core::rootfs::Supplement;
use round_trip::round_trip;
use support::overlay::Overlay;
use support::shell;

/// One behaviour as a test on each filesystem.
macro_rules! on_btrfs_and_xfs {
    ($($behaviour:ident: $btrfs:ident, $xfs:ident;)*) => {$(
        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $btrfs() -> Result<()> {
            $behaviour("/mnt/btrfs")
        }

        #[test]
        #[ignore = "needs root and loop devices: cargo xtask test"]
        fn $xfs() -> Result<()> {
            $behaviour("/mnt/xfs")
        }
    )*};
}

on_btrfs_and_xfs! {
    hard_links: privileged_btrfs_hard_links_between_changes_stay, privileged_xfs_hard_links_between_changes_stay;
    links_to_lower: privileged_btrfs_a_link_to_a_file_of_the_image_stays, privileged_xfs_a_link_to_a_file_of_the_image_stays;
    odd_deletions: privileged_btrfs_deleted_names_of_any_bytes_come_back, privileged_xfs_deleted_names_of_any_bytes_come_back;
    sockets: privileged_btrfs_sockets_come_back, privileged_xfs_sockets_come_back;
    renamed: privileged_btrfs_a_renamed_directory_comes_back_whole, privileged_xfs_a_renamed_directory_comes_back_whole;
    opaque: privileged_btrfs_vanished_children_are_deleted, privileged_xfs_vanished_children_are_deleted;
    holes: privileged_btrfs_holes_stay_holes, privileged_xfs_holes_stay_holes;
    default_acls: privileged_btrfs_default_acls_reach_no_one_else, privileged_xfs_default_acls_reach_no_one_else;
    attributes: privileged_btrfs_attributes_come_back, privileged_xfs_attributes_come_back;
}

/// An image with one layer, changed by a script; gives the folder of the restored upperdir.
fn changed(filesystem: &str, options: &str, image: &str, script: &str) -> Result<(Overlay, PathBuf)> {
    let overlay = Overlay::new(filesystem, 1, options)?;
    shell(&overlay.lower(0), image)?;
    overlay.change("u", script)?;
    round_trip(&overlay, "u", "again")?;
    let restored = overlay.upper("again");
    Ok((overlay, restored))
}

fn hard_links(filesystem: &str) -> Result<()> {
    let (_overlay, restored) =
        changed(filesystem, "", "mkdir d", "echo x > one; ln one d/two; ln one three; mkfifo p; ln p d/p")?;
    assert_eq!(restored.join("one").metadata()?.nlink(), 3);
    assert_eq!(restored.join("p").metadata()?.ino(), restored.join("d/p").metadata()?.ino());
    Ok(())
}

fn links_to_lower(filesystem: &str) -> Result<()> {
    let image = "echo one > a; ln a b; echo alone > c";
    let (overlay, restored) = changed(filesystem, "", image, "ln a new; ln c other; echo more >> other")?;
    assert_eq!(restored.join("a").metadata()?.ino(), restored.join("new").metadata()?.ino());
    assert!(!restored.join("b").exists(), "the image's other name is not copied up");
    overlay.change("again", "test \"$(cat c)\" = \"$(printf 'alone\\nmore')\"")
}

fn odd_deletions(filesystem: &str) -> Result<()> {
    let image = "mkdir $'d\\377'; touch $'d\\377/in' $'\\376' $'new\\nline' plain $'quote\"'";
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), image)?;
    overlay.change("u", "rm -r *")?;
    let Supplement { deleted, .. } = carry::carry(&overlay.layers("u")?, &overlay.layers("carried")?)?;
    let names: [&[u8]; 5] = [b"d\xff", b"new\nline", b"plain", b"quote\"", b"\xfe"];
    assert_eq!(deleted, names.map(|name| PathBuf::from(OsStr::from_bytes(name))));
    round_trip(&overlay, "u", "again")?;
    overlay.change("again", "test -z \"$(ls)\"")
}

/// Also one in place of a file of the image, which podman brings back.
fn sockets(filesystem: &str) -> Result<()> {
    let make = "import socket, sys\nfor path in sys.argv[1:]: socket.socket(socket.AF_UNIX).bind(path)";
    let script = format!(
        "rm file; python3 -c '{make}' file d/new; chmod 2751 file; chown 3:4 file; ln d/new link
         setfacl -m u:7:rw d/new; touch -d @1000000000.123456789 file d"
    );
    let (_overlay, restored) = changed(filesystem, "", "mkdir d; echo old > file", &script)?;
    assert_eq!(restored.join("link").metadata()?.nlink(), 2);
    Ok(())
}

fn renamed(filesystem: &str) -> Result<()> {
    let image =
        "mkdir -p old/sub gone; head -c 300000 /dev/urandom > old/sub/large; echo x > old/file; ln -s file old/link";
    let options = "metacopy=on,redirect_dir=on";
    let (overlay, restored) =
        changed(filesystem, options, image, "mv old new; mkdir old; echo y > old/other; rm new/file")?;
    assert_eq!(restored.join("new/sub/large").metadata()?.len(), 300_000);
    overlay.change(
        "again",
        "test \"$(echo *)\" = 'gone new old'; test \"$(echo old/* new/*)\" = 'old/other new/link new/sub'",
    )
}

fn opaque(filesystem: &str) -> Result<()> {
    let image = "mkdir -p d/sub/deep e; touch d/one d/two d/sub/deep/x e/kept";
    let overlay = Overlay::new(filesystem, 1, "")?;
    shell(&overlay.lower(0), image)?;
    overlay.change("u", "rm -r d; mkdir -p d/sub; touch d/two d/sub/new")?;
    let Supplement { deleted, .. } = carry::carry(&overlay.layers("u")?, &overlay.layers("carried")?)?;
    assert_eq!(deleted, ["d/one", "d/sub/deep"].map(PathBuf::from));
    round_trip(&overlay, "u", "again")
}

fn holes(filesystem: &str) -> Result<()> {
    let script = "truncate -s 100M sparse; printf x | dd of=sparse bs=1 seek=50M conv=notrunc status=none
        head -c 1M /dev/urandom > punched; fallocate -p -o 128K -l 512K punched; fallocate -p -o 64K -l 256K image";
    let (_overlay, restored) = changed(filesystem, "", "head -c 1M /dev/urandom > image", script)?;
    assert!(restored.join("sparse").metadata()?.blocks() * 512 <= 1 << 20);
    assert!(restored.join("punched").metadata()?.blocks() * 512 <= 600 << 10);
    Ok(())
}

/// What is made in a directory with a default ACL inherits it, unless whoever makes it takes care.
fn default_acls(filesystem: &str) -> Result<()> {
    let script = "mkdir d; touch d/before; mkfifo d/pipe; mkdir d/sub; touch d/sub/file; setfacl -m d:u:5:rwx d
        setfacl -m d:u:6:r,u:6:r image; touch image/after; rm image/gone";
    let (overlay, restored) = changed(filesystem, "", "mkdir image; touch image/kept image/gone", script)?;
    let acl =
        |path: &Path| support::tree::xattrs(path).map(|xattrs| xattrs.keys().any(|name| name.starts_with(b"system.")));
    for plain in ["d/before", "d/pipe", "d/sub", "d/sub/file"] {
        assert!(!acl(&restored.join(plain))?, "{plain}");
    }
    assert!(acl(&restored.join("d"))? && acl(&restored.join("image/after"))?);

    // The same where a deletion alone brings the directory into the upperdir.
    shell(&overlay.lower(0), "mkdir -p acl/below/deep; setfacl -m d:u:5:rwx acl; touch acl/gone acl/below/gone")?;
    overlay.change("deleted", "rm acl/gone acl/below/gone")?;
    let deleted = carry::carry(&overlay.layers("deleted")?, &overlay.layers("unused")?)?.deleted;
    let mut upper = layerfs::Upperdir::open(&overlay.layers("by-deletion")?)?;
    deleted.iter().try_for_each(|path| upper.delete(path).map(drop))?;
    upper.finish()?;
    let restored = overlay.upper("by-deletion");
    assert!(acl(&restored.join("acl"))? && !acl(&restored.join("acl/below"))?);
    Ok(())
}

fn attributes(filesystem: &str) -> Result<()> {
    let image = "mkdir d; echo x > file; ln -s file link";
    let script = "chmod 2711 d; chown 5:6 d; chmod 4755 file; chown -h 7:8 link; setfattr -n user.note -v 1 file
        setfattr -h -n trusted.note -v 2 link; setfattr -n security.note -v 3 d; setcap cap_net_raw+ep file
        setfacl -m g:9:r file; touch -h -d '1960-01-02 03:04:05.000000006' link; touch -d @4000000000.999999999 d";
    changed(filesystem, "", image, script).map(drop)
}
