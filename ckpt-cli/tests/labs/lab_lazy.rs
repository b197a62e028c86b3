//! Memory that follows: a container runs before all of it is there, and never finds a wrong byte.

use std::path::Path;

use crate::lab::*;

/// Keeps some 60 MB of what nobody could guess, and tells its sum again and again.
const REMEMBER: &str = r#"
    remembered=$(head -c 45000000 /dev/urandom | base64)
    while :; do echo "$remembered" | md5sum > /srv/sum.new; mv /srv/sum.new /srv/sum; sleep 0.1; done"#;

fn sum(container: &Container) -> String {
    container.exec("rm -f /srv/sum");
    wait_for("a sum", || Some(container.exec("cat /srv/sum 2>/dev/null || :")).filter(|sum| !sum.is_empty()))
}

fn comes_back(runtime: &str) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("lazy", &["--runtime", runtime], REMEMBER);
    let before = sum(&container);
    ckpt(&["checkpoint", "lazy", "-e", text(&archive)]);
    container.remove();
    ckpt(&["restore", "-i", text(&archive), "--lazy=always"]);
    let restored = Container::named("lazy");
    let id = restored.inspect("{{.Id}}");
    println!("{}", ckpt(&["lazy", &id[..20]]));
    assert_eq!(sum(&restored), before);
    // CRIU cannot dump what is still to come, so that this waits for it.
    ckpt(&["checkpoint", "lazy", "-e", text(&archive)]);
    restored.remove();
    ckpt(&["restore", "-i", text(&archive), "--lazy=always", "--wait-memory"]);
    assert_eq!(ckpt(&["lazy", "--format", "json"]).trim(), "[]");
    assert_eq!(ckpt(&["lazy", "lazy"]), "no memory is on its way");
    assert_says(&ckpt_fails(&["lazy", "nobody"]), &["no such container", "nobody"]);
    assert_eq!(sum(&Container::named("lazy")), before);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_memory_comes_first_if_it_is_to() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("eager", &[], REMEMBER);
    let before = sum(&container);
    container.checkpoint_and_remove(&archive);
    for never in [&["--lazy=never"][..], &["--lazy", "never"]] {
        ckpt(&[&["restore", "-i", text(&archive)], never].concat());
        // It needs its archive no more.
        assert!(!Path::new("/run/ckpt/sessions/memory").join(container.inspect("{{.Id}}")).exists());
        assert_eq!(sum(&container), before);
        container.remove();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_comes_later_crun() {
    comes_back("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_comes_later_runc() {
    comes_back("runc");
}
