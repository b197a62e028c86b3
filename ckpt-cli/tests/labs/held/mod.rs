//! Containers that hold what their arguments name, and say whether it is still right.

use std::path::Path;

use crate::lab::*;

/// busybox, a Python with what it loads, the script that holds things, and a file to delete.
const IMAGE: &str = "localhost/holding";

const MAKE_IMAGE: &str = r#"
set -e
root=$1 script=$2 libraries=/usr/lib/x86_64-linux-gnu
mkdir -p $root/bin $root/etc $root/srv $root/run $root/tmp $root/data $root/usr/bin $root/usr/lib64 $root$libraries
cp "$(command -v busybox)" $root/bin/busybox
ln -s busybox $root/bin/sh; ln -s usr/lib $root/lib; ln -s usr/lib64 $root/lib64
cp -L /lib64/ld-linux-x86-64.so.2 $root/usr/lib64
cp -L /usr/bin/python3 $root/usr/bin
cp -a /usr/lib/python3.* $root/usr/lib
{ ldd /usr/bin/python3; ldd /usr/lib/python3.*/lib-dynload/_ctypes.*.so; } | grep -o '/[^ ]*\.so[^ ]*' | sort -u |
    while read library; do cp -L $library $root$libraries; done
echo 'of the image' > $root/etc/of-image
cp $script $root/hold.py
tar -C $root -c . | podman import --quiet - localhost/holding
"#;

pub(crate) fn make_image() {
    if !run("podman", &["image", "exists", IMAGE]).status.success() {
        let root = tempfile::tempdir_in("/var/tmp").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/labs/held/hold.py");
        succeed("bash", &["-c", MAKE_IMAGE, "make-image", text(root.path()), text(&script)]);
    }
}

/// A container that holds `names`.
pub(crate) fn holding(options: &[&str], names: &[&str]) -> Container {
    let start = ["run", "-d", "--name", "holding", "--network", "none", "--init=false"];
    podman(&[&start, options, &[IMAGE, "/usr/bin/python3", "/hold.py"], names].concat());
    let container = Container::named("holding");
    wait_for("all to be held", || podman(&["logs", "holding"]).contains("holding").then_some(()));
    container
}

/// Has it look at what it holds; gives what is not right.
pub(crate) fn wrong(container: &Container) -> Vec<String> {
    let told = || podman(&["logs", "holding"]).matches("told\n").count();
    let before = told();
    podman(&["kill", "--signal", "USR1", &container.name]);
    wait_for("it to tell", || {
        (format!("{}\n", podman(&["logs", "holding"])).matches("told\n").count() > before).then_some(())
    });
    podman(&["logs", "holding"]).lines().filter(|line| line.contains(" wrong")).map(str::to_owned).collect()
}
