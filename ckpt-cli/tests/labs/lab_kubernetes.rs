//! Checkpoint archives of CRI-O and containerd, as the kubelet keeps them: looked into, aligned, pushed, and not restored.

use std::path::Path;

use crate::lab::*;
use serde_json::Value;

/// What tells the archives apart.
struct Engine {
    archive: &'static str,
    name: &'static str,
    container: &'static str,
    image_id: &'static str,
    runtime: &'static str,
    /// A member that only this engine writes.
    member: &'static str,
}

const ENGINES: [Engine; 2] = [
    Engine {
        archive: "crio.tar",
        name: "CRI-O",
        container: "k8s_app_app-0_shop_uid_0",
        image_id: "abababababab",
        runtime: "runc",
        member: "bind.mounts",
    },
    Engine {
        archive: "containerd.tar",
        name: "containerd",
        container: "app",
        image_id: "quay.io/team/app@sha256:",
        runtime: "io.containerd.runc.v2",
        member: "status.dump",
    },
];

/// Makes `crio.tar` and `containerd.tar` in `folder`, with what CRIU dumped of a container of podman.
fn make_archives(folder: &Path) {
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large; rm /etc/passwd; rm -r /srv/tree/folder1");
    podman(&["container", "checkpoint", "web", "-e", text(&folder.join("podman.tar")), "--compress", "none"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/labs/kubernetes/repack.py");
    shell_in(folder, &format!("python3 {script}"));
}

fn inspection(archive: &str) -> Value {
    serde_json::from_str(&ckpt(&["inspect", "--format", "json", archive])).unwrap()
}

/// The members and bytes of `rootfs-diff.tar`.
fn rootfs(inspection: &Value) -> (u64, u64) {
    let parts = inspection["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == "rootfs-diff.tar").unwrap();
    (part["members"].as_u64().unwrap(), part["bytes"].as_u64().unwrap())
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_archives_of_other_engines_say_who_made_them() {
    let folder = folder();
    make_archives(folder.path());
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let podmans = inspection(&path("podman.tar"));
    assert_eq!((&podmans["engine"], &podmans["deleted"]), (&"podman".into(), &2.into()));
    for engine in ENGINES {
        let archive = path(engine.archive);
        let said = inspection(&archive);
        assert_eq!((&said["engine"], &said["name"]), (&engine.name.into(), &engine.container.into()));
        assert_eq!((&said["pod"]["name"], &said["pod"]["namespace"]), (&"app-0".into(), &"shop".into()));
        assert_eq!((&said["deleted"], &said["privileges"]), (&2.into(), &Value::Null));
        assert!(said["image_id"].as_str().unwrap().starts_with(engine.image_id), "{said}");
        // containerd's layer has a member for each deletion, and one for a directory that is another one.
        let more = if engine.name == "containerd" { 3 } else { 0 };
        let (members, bytes) = rootfs(&podmans);
        assert_eq!(rootfs(&said), (members + more, bytes), "{}", engine.name);

        // checkpointctl finds the same.
        let shown = succeed("checkpointctl", &["show", &archive]);
        let id = &said["id"].as_str().unwrap()[..12];
        assert_says(&shown, &[engine.name, id, engine.runtime, said["image"].as_str().unwrap()]);
        assert_says(&ckpt(&["inspect", &archive]), &[engine.name, "app-0 in shop", "it cannot be restored"]);
        assert!(ckpt(&["ls", &archive]).lines().any(|member| member == engine.member));
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_archives_of_other_engines_are_aligned_and_pushed_and_not_restored() {
    let folder = folder();
    make_archives(folder.path());
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let world = World::at_rest(folder.path());
    for engine in ENGINES {
        let archive = path(engine.archive);
        let aligned = path("aligned.tar");
        ckpt(&["align", "--nested", &archive, &aligned]);
        ckpt(&["verify", "--aligned", &aligned]);
        assert_eq!(rootfs(&inspection(&aligned)), rootfs(&inspection(&archive)));

        let image = format!("oci:{}:{}", path("images"), engine.name.to_lowercase());
        ckpt(&["push", &archive, &image]);
        let manifest: Value = serde_json::from_str(&succeed("skopeo", &["inspect", "--raw", &image])).unwrap();
        let annotations = manifest["annotations"].as_object().unwrap();
        for (name, value) in [
            ("org.criu.checkpoint.engine.name", engine.name),
            ("org.criu.checkpoint.container.name", "app"),
            ("org.criu.checkpoint.pod.name", "app-0"),
            ("io.kubernetes.cri-o.annotations.checkpoint.name", "app"),
        ] {
            assert_eq!(annotations[name], value);
        }
        assert!(annotations.keys().all(|name| !name.starts_with("io.podman.")), "{annotations:?}");
        // The layer is what an engine mounts: the archive's members are the image's files.
        let unpacked = path(&format!("unpacked-{}", engine.name));
        succeed("umoci", &["unpack", "--image", image.trim_start_matches("oci:"), &unpacked]);
        let in_layer = Path::new(&unpacked).join("rootfs").join(engine.member);
        assert!(in_layer.is_file() && in_layer.with_file_name("checkpoint").join("inventory.img").is_file());

        let pulled = path("pulled.tar");
        ckpt(&["pull", &image, "-e", &pulled]);
        ckpt(&["verify", "--aligned", &pulled]);
        assert_eq!(rootfs(&inspection(&pulled)), rootfs(&inspection(&archive)));

        for import in [&archive, &image] {
            let said = ckpt_fails(&["restore", "-i", import]);
            assert_says(&said, &[engine.name, "cannot be restored", "`ckpt push`"]);
        }
        for name in ["aligned.tar", "pulled.tar", "images", &format!("unpacked-{}", engine.name)] {
            succeed("rm", &["-r", &path(name)]);
        }
    }
    assert_says(&ckpt_fails(&["diff", &path("containerd.tar")]), &["compressed rootfs-diff.tar"]);
    world.assert_same(folder.path());
}
