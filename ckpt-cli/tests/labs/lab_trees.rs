//! Trees that only root can make: what nobody else may read, other file systems, another overlay's storage.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::lab::*;
use crate::trees::Folder;
use rustix::fs::{XattrFlags, setxattr};

/// Runs the copy of `ckpt` in the folder as nobody: root may read everything.
fn as_nobody(folder: &Folder, words: &[&str]) -> Output {
    let setpriv = ["--reuid=65534", "--regid=65534", "--clear-groups", "./ckpt"];
    folder.run("setpriv", &[&setpriv, words].concat())
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_what_cannot_be_read_is_named_and_the_rest_is_packed() {
    let folder = Folder(tempfile::tempdir_in("/mnt/xfs").unwrap());
    let everybody = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    everybody(folder.0.path(), 0o777);
    for name in ["file", "secret", "closed/inside", "open/inside"] {
        let path = folder.path("tree").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    everybody(&folder.path("tree/secret"), 0o600);
    everybody(&folder.path("tree/closed"), 0o700);
    fs::create_dir(folder.path("other")).unwrap();
    everybody(&folder.path("other"), 0o700);
    fs::copy(env!("CARGO_BIN_EXE_ckpt"), folder.path("ckpt")).unwrap();
    for jobs in ["1", "3"] {
        let packed = as_nobody(&folder, &["pack", "tree", "other", "-f", "x.tar", "-j", jobs]);
        let said = String::from_utf8(packed.stderr).unwrap();
        assert_eq!(packed.status.code(), Some(2), "{said}");
        for line in [
            "Error: open other: Permission denied",
            "Error: open \"tree/secret\": Permission denied",
            "Error: read directory \"tree/closed\": Permission denied",
            "Error: x.tar is there, but without what could not be read",
        ] {
            assert!(said.lines().any(|said| said.starts_with(line)), "{line}\n{said}");
        }
        assert_eq!(said.lines().count(), 4, "{said}");
        let expected = ["tree", "tree/closed", "tree/file", "tree/open", "tree/open/inside"];
        assert_eq!(folder.names("x.tar"), expected.map(str::to_owned).into());
    }
    let missing = folder.ckpt(&["pack", "tree", "missing", "-f", "x.tar"]);
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(folder.names("x.tar").len(), 5, "the older one stays");
}

/// XFS keeps more attributes of a file than readers of archives take.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_what_no_archive_can_hold_is_named_and_the_rest_is_packed() {
    let folder = Folder(tempfile::tempdir_in("/mnt/xfs").unwrap());
    fs::create_dir_all(folder.path("tree/full")).unwrap();
    for name in ["tree/a", "tree/full/b", "tree/laden"] {
        fs::write(folder.path(name), name).unwrap();
    }
    fs::hard_link(folder.path("tree/laden"), folder.path("tree/too")).unwrap();
    for name in ["tree/full", "tree/laden"] {
        for number in 0..20 {
            setxattr(folder.path(name), format!("user.{number}"), &[7; 60_000], XattrFlags::empty()).unwrap();
        }
    }
    for jobs in ["1", "3"] {
        let packed = folder.ckpt(&["pack", "tree", "-f", "x.tar", "-j", jobs]);
        let said = String::from_utf8(packed.stderr).unwrap();
        assert_eq!(packed.status.code(), Some(2), "{said}");
        for name in ["full", "laden", "too"] {
            assert!(said.contains(&format!("member \"tree/{name}\" has extended attributes of")), "{said}");
        }
        assert_eq!(folder.names("x.tar"), ["tree", "tree/a", "tree/full/b"].map(str::to_owned).into());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_link_of_somebody_else_in_a_folder_for_all_leads_no_archive_away() {
    let folder = Folder(tempfile::tempdir_in("/mnt/btrfs").unwrap());
    fs::write(folder.path("victim"), "kept").unwrap();
    fs::create_dir(folder.path("for-all")).unwrap();
    fs::set_permissions(folder.path("for-all"), fs::Permissions::from_mode(0o1777)).unwrap();
    for (name, target) in [("x.tar", "../victim"), ("y.tar", "../nothing-yet")] {
        std::os::unix::fs::symlink(target, folder.path("for-all").join(name)).unwrap();
        std::os::unix::fs::lchown(folder.path("for-all").join(name), Some(65534), None).unwrap();
        let packed = folder.ckpt(&["pack", "victim", "-f", &format!("for-all/{name}")]);
        let said = String::from_utf8(packed.stderr).unwrap();
        assert!(packed.status.code() == Some(2) && said.contains("somebody else made in a folder for all"), "{said}");
    }
    assert_eq!(fs::read_to_string(folder.path("victim")).unwrap(), "kept");
    assert!(!folder.path("nothing-yet").exists());
}

/// As where a user may have no more processes (setrlimit(2), RLIMIT_NPROC).
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_tree_is_packed_where_no_thread_can_be_started() {
    let folder = Folder(tempfile::tempdir_in("/mnt/btrfs").unwrap());
    fs::create_dir(folder.path("tree")).unwrap();
    (0..500).for_each(|number| fs::write(folder.path(&format!("tree/{number}")), "x").unwrap());
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_ckpt"), folder.path("ckpt")).unwrap();
    for most in [2, 3] {
        let limited =
            format!("ulimit -u {most}; exec setpriv --reuid=54321 --regid=54321 --clear-groups ./ckpt \"$@\"");
        let pack = ["pack", "tree", "-f", "x.tar", "-j", "8"];
        let packed = folder.run("bash", &[&["-c", &limited, "bash"], &pack[..]].concat());
        assert!(packed.status.success(), "{most}: {}", String::from_utf8_lossy(&packed.stderr));
        assert_eq!(folder.names("x.tar").len(), 501);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_other_file_systems_are_not_entered_if_told_so() {
    let folder = Folder(tempfile::tempdir_in("/mnt/btrfs").unwrap());
    for name in ["tree/here/file", "tree/mounted/hidden", "tree/behind"] {
        fs::create_dir_all(folder.path(name).parent().unwrap()).unwrap();
        fs::write(folder.path(name), name).unwrap();
    }
    let mounted = folder.path("tree/mounted");
    rustix::mount::mount("tmpfs", &mounted, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
    fs::write(mounted.join("elsewhere"), "").unwrap();
    for (options, has_it) in [(&["--one-file-system"][..], false), (&[], true)] {
        let names = folder.assert_same(options, &["tree"]);
        assert!(names.contains("tree/mounted") && names.contains("tree/behind"));
        assert_eq!(names.contains("tree/mounted/elsewhere"), has_it);
    }
    // The operand itself is where the file system is.
    assert!(folder.assert_same(&["--one-file-system"], &["tree/mounted"]).contains("tree/mounted/elsewhere"));
    rustix::mount::unmount(&mounted, rustix::mount::UnmountFlags::empty()).unwrap();
}

/// What another engine's storage looks like: a tree of layers, in which the kernel has left its marks.
const STORAGE: &str = "
    mkdir lower upper work merged; mkdir lower/opaque lower/moved; head -c 100000 /dev/urandom > lower/file
    echo old > lower/opaque/old; echo kept > lower/moved/kept; echo gone > lower/gone
    mount -t overlay -o redirect_dir=on,metacopy=on,lowerdir=lower,upperdir=upper,workdir=work overlay merged
    cd merged; rm -r opaque gone; mkdir opaque; echo new > opaque/new; mv moved elsewhere; chmod 600 file";

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn an_overlays_storage_comes_back_with_the_kernels_marks() {
    let folder = folder();
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let shell = |script: &str| shell_in(folder.path(), script);
    shell(&format!("mkdir storage copy; cd storage; {STORAGE}"));
    let merged = describe_tree(&folder.path().join("storage/merged"));
    shell("umount storage/merged");
    let layers = describe_tree(&folder.path().join("storage"));
    let marks = |folder: &str| shell(&format!("cd {folder}; getfattr -R -d -m ^trusted.overlay . | LC_ALL=C sort"));
    let before = marks("storage");
    for mark in ["opaque=\"y\"", "redirect=\"moved\"", "metacopy="] {
        assert!(before.contains(&format!("trusted.overlay.{mark}")), "{mark}: {before}");
    }
    ckpt(&["pack", "-C", &at("storage"), ".", "-f", &at("x.tar")]);
    ckpt(&["unpack", &at("x.tar"), "-C", &at("copy"), "--xattr", "trusted.*"]);
    assert_eq!(marks("copy"), before);
    assert_same_tree(&layers, &describe_tree(&folder.path().join("copy")));
    let options = "redirect_dir=on,metacopy=on,lowerdir=lower,upperdir=upper,workdir=work";
    shell(&format!("cd copy; mount -t overlay -o {options} overlay merged"));
    let copied = describe_tree(&folder.path().join("copy/merged"));
    shell("umount copy/merged");
    assert_same_tree(&merged, &copied);
}
