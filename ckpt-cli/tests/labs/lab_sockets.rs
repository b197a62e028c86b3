//! Sockets in a container's files: CRIU listens on those in use again, where one of that name is there already.

use crate::lab::*;

const LISTEN: &str = "ln -s /srv/live /dev/log; exec busybox syslogd -n -O /srv/messages";

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_socket_in_use_is_listened_on_again() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run("listening", &[], LISTEN);
    wait_for("syslogd listens", || original.exec("cat /srv/messages || true").contains("started").then_some(()));
    ckpt(&["checkpoint", "listening", "-e", text(&archive)]);
    let json: serde_json::Value =
        serde_json::from_str(&ckpt(&["inspect", text(&archive), "--format", "json"])).unwrap();
    assert_eq!(json["manifest"]["rootfs"]["sockets"][0]["path"], "srv/live");
    original.remove();
    let clone = Container::named("listening-clone");
    ckpt(&["restore", "-i", text(&archive), "--name", "listening-clone"]);
    clone.exec("busybox logger hello");
    wait_for("the message arrives", || clone.exec("cat /srv/messages").contains("hello").then_some(()));
}
