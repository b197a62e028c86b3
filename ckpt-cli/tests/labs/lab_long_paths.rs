//! Paths that are longer than any system call takes (PATH_MAX, 4096 bytes): made step by step, they must come back.

use crate::lab::*;

/// Goes down 45 folders of 100 letters each below $1, making what is missing.
const DESCEND: &str = r#"
set -e; n=$(printf "%0100d" 0); cd -P $1; k=0
while [ $k -lt 45 ]; do [ -d $n ] || mkdir $n; cd -P $n; k=$((k+1)); done
"#;

const CHANGE: &str = "echo data > file; ln file hard; ln -s file link; mkdir old; echo x > old/x; mv old new
    head -c 100000 /dev/urandom > large; mkfifo fifo; chmod 1750 .";

const LOOK: &str = "cat hard link new/x; md5sum large; ls -1; stat -c '%n %a %h %Y' . file fifo new/x";

fn paths_of_any_length_come_back(runtime: &str) {
    let (folder, volume) = (folder(), Volume::named("long-paths"));
    let archive = folder.path().join("x.tar");
    let original = Container::run("long", &["--runtime", runtime, "-v", "long-paths:/data"], COUNT);
    let at_depth =
        |script: &str| ["/srv", "/data"].map(|place| original.exec(&format!("set -- {place}\n{DESCEND}\n{script}")));
    at_depth(CHANGE);
    let before = at_depth(LOOK);
    original.checkpoint_and_remove(&archive);
    volume.remove();
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(at_depth(LOOK), before);
    assert_consecutive(&original.wait_for_numbers(5));
    original.remove();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn paths_of_any_length_come_back_crun() {
    paths_of_any_length_come_back("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_paths_of_any_length_come_back_runc() {
    paths_of_any_length_come_back("runc");
}
