//! The changes of a root filesystem that others lose, and ways to look at what comes back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::*;

/// What the image has, made in the current folder.
pub(crate) const BASE: &str = "
    mkdir -p etc d keep moved gone; echo one > etc/group; echo x > etc/passwd; echo old > d/old; echo f > keep/file
    echo kept > moved/kept; echo g > gone/file; head -c 100000 /dev/urandom > meta; echo was > replaced";

/// What is changed of it, in the merged tree.
pub(crate) const CHANGE: &str = r#"
    echo two >> etc/group; rm etc/passwd; rm -r gone d; mkdir d; echo new > d/new
    chmod 2711 keep; chown 7:8 keep; chmod 600 meta; mv moved elsewhere
    setfacl -m u:7:r etc/group; setfattr -n trusted.note -v 1 etc/group; setfattr -n security.note -v 2 etc/group
    setfattr -n user.note -v 3 keep; touch -d '2001-02-03 04:05:06.123456789' etc/group
    truncate -s 100M sparse; printf x | dd of=sparse bs=1 seek=50000000 conv=notrunc status=none
    head -c 33554432 /dev/urandom > big; ln big link; ln -s nowhere dangling; mkfifo fifo; mknod null c 1 3
    printf odd > "$(printf 'odd
name')"; rm replaced
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("replaced")'; chmod 640 replaced"#;

/// Bytes of `big`, which are cloned or copied.
pub(crate) const BIG: u64 = 32 << 20;

/// Directories of an overlay in a folder; unmounted with this value.
pub(crate) struct Overlay {
    pub(crate) folder: tempfile::TempDir,
}

impl Overlay {
    /// Lower layer and upper directory, not mounted.
    pub(crate) fn new() -> Self {
        let overlay = Overlay { folder: folder() };
        shell_in(overlay.folder.path(), &format!("mkdir lower; cd lower; {BASE}"));
        overlay.add("one");
        overlay
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another upper directory, empty.
    pub(crate) fn add(&self, name: &str) {
        shell_in(self.folder.path(), &format!("mkdir -p {name}/upper {name}/work {name}/merged"));
    }

    pub(crate) fn mount(&self, name: &str) -> PathBuf {
        let options = "redirect_dir=on,metacopy=on,lowerdir=$PWD/lower";
        let script = format!(
            "mount -t overlay -o {options},upperdir=$PWD/{name}/upper,workdir=$PWD/{name}/work overlay {name}/merged"
        );
        shell_in(self.folder.path(), &script);
        self.path(name).join("merged")
    }

    pub(crate) fn unmount(&self, name: &str) {
        succeed("umount", &[text(&self.path(name).join("merged"))]);
    }

    /// The merged tree, while it is mounted for that.
    pub(crate) fn tree(&self, name: &str) -> BTreeMap<PathBuf, String> {
        let tree = describe_tree(&self.mount(name));
        self.unmount(name);
        tree
    }

    /// Makes the upper directory `name` of the archive, with these options.
    pub(crate) fn apply(&self, name: &str, archive: &Path, options: &[&str]) {
        let (upper, lower) = (self.path(name).join("upper"), self.path("lower"));
        let directories = ["--upperdir", text(&upper), "--lowerdir", text(&lower)];
        ckpt(&[&["rootfs", "apply", "-i", text(archive)], &directories[..], options].concat());
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            run("umount", &[text(&entry.path().join("merged"))]);
        }
    }
}

/// Paths that two trees have differently, or one of them alone.
pub(crate) fn lost(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let lost = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    lost.map(|path| path.to_string_lossy().into_owned()).collect()
}
