//! Checkpoints in registries: settings as podman has them, broken lines, what comes back.

use std::fs;
use std::path::Path;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::lab::*;
use crate::registry::{Line, Registry};

const FILL: &str = "head -c 20000000 /dev/urandom > /srv/large; rm /etc/passwd; echo new > /srv/new";

fn assert_equal(one: &str, other: &Path) {
    assert!(run("cmp", &[one, text(other)]).status.success(), "{one} and {} differ", other.display());
    fs::remove_file(other).unwrap();
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_checkpoint_comes_back_through_a_registry_with_tls_and_a_password() {
    let folder = folder();
    let registry = Registry::with_password(folder.path(), 5000);
    let volume = Volume::named("data");
    let web = Container::run("web", &["-v", "data:/data"], COUNT);
    web.exec(FILL);
    web.exec("echo kept > /data/kept");
    let archive = folder.path().join("web.tar");
    ckpt(&["checkpoint", "web", "-e", text(&archive)]);
    let (tree, files, numbers) = (web.tree(), volume.tree(), web.numbers());
    let archive = text(&archive).to_owned();
    web.remove();
    volume.remove();

    let image = registry.image("team/web:1");
    assert_says(
        &registry.ckpt_fails(&["push", &archive, &image]),
        &["is not trusted", "certs.d/localhost:5000/ca.crt"],
    );
    registry.trust();
    assert_says(&registry.ckpt_fails(&["push", &archive, &image]), &["refuses (401", "podman login localhost:5000"]);
    registry.log_in();
    let pulled = folder.path().join("pulled.tar");
    for compression in ["none", "gzip", "zstd"] {
        let image = registry.image(&format!("team/{compression}:1"));
        registry.ckpt(&["push", &archive, &image, "--compress", compression]);
        let raw = registry.succeed("skopeo", &["inspect", &format!("docker://{image}")]);
        let ending = if compression == "none" { "tar\"".to_owned() } else { format!("tar+{compression}\"") };
        assert_says(&raw, &[&ending, "\"amd64\""]);
        registry.ckpt(&["pull", &image, "-e", text(&pulled)]);
        assert_equal(&archive, &pulled);
    }
    let printed = registry.ckpt(&["push", &archive, &image]);
    let pinned = format!("docker://{}@{}", registry.image("team/web"), printed.split('@').nth(1).unwrap());
    assert_says(&registry.ckpt(&["inspect", &pinned]), &["team/web@sha256:", "io.podman.annotations.checkpoint.name"]);

    let printed = registry.ckpt(&["restore", "-i", &pinned, "--reflink", "always", "--print-stats"]);
    assert!(statistics(&printed)["cloned_bytes"].as_u64().unwrap() > 20_000_000, "{printed}");
    assert_same_tree(&tree, &web.tree());
    assert_same_tree(&files, &volume.tree());
    assert_consecutive(&web.wait_for_numbers(numbers.len() + 3));
    web.remove();
    volume.remove();
    registry.succeed("podman", &["pull", "--quiet", &image]);
    podman(&["container", "restore", &image]);
    assert_eq!(web.exec("cat /srv/new /data/kept; ls /etc/passwd 2>&1 | grep -c No"), "new\nkept\n1");
    web.remove();
    podman(&["rmi", &image]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_plain_http_mirrors_and_blocks_are_as_registries_conf_says() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    let archive = archive_of_web(folder.path(), &[], &[], "");
    let (image, pulled) = (registry.image("web:1"), folder.path().join("pulled.tar"));
    assert_says(&registry.ckpt_fails(&["push", &archive, &image]), &["speaks no TLS", "insecure = true"]);
    registry.told_insecure();
    registry.ckpt(&["push", &archive, &image]);
    // The registry itself is not there; its mirrors are asked in turn.
    registry.told(
        "[[registry]]\nlocation = 'registry.invalid/team'\n\
         [[registry.mirror]]\nlocation = 'localhost:5999'\ninsecure = true\n\
         [[registry.mirror]]\nlocation = 'localhost:5001'\ninsecure = true\n",
    );
    registry.ckpt(&["pull", "registry.invalid/team/web:1", "-e", text(&pulled)]);
    assert_equal(&archive, &pulled);
    registry.told("[[registry]]\nlocation = 'localhost:5001'\nblocked = true\n");
    assert_says(&registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]), &["localhost:5001/web is blocked in"]);
    registry.told("[[registry");
    assert_says(&registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]), &["registries.conf is not understood"]);
    registry.told_insecure();
    for (missing, words) in [("web:2", "manifest unknown"), ("none:1", "the registry has no")] {
        let image = registry.image(missing);
        assert_says(&registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]), &[words]);
    }
    // An image of something else is not fetched.
    registry.succeed("podman", &["push", "--quiet", IMAGE, &registry.image("busybox:1")]);
    let said = registry.ckpt_fails(&["pull", &registry.image("busybox:1"), "-e", text(&pulled)]);
    assert_says(&said, &["is no checkpoint", "none of the annotations"]);
    assert!(!pulled.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_broken_lines_are_gone_on_with() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let pulled = folder.path().join("pulled.tar");
    let told = |line: &Line| {
        let [near, far] = [line.port, 5001];
        let rule = |port| format!("[[registry]]\nlocation = 'localhost:{port}'\ninsecure = true\n");
        registry.told(&[rule(near), rule(far)].concat());
    };
    // An upload that this registry forgets begins anew.
    let line = Line::to(5001, 2, 5_000_000);
    told(&line);
    registry.ckpt(&["push", &archive, &format!("localhost:{}/web:1", line.port)]);
    assert_eq!(line.cuts_left(), 0);
    // A download goes on where it was: nothing passes twice.
    let line = Line::to(5001, 3, 5_000_000);
    told(&line);
    registry.ckpt(&["pull", &format!("localhost:{}/web:1", line.port), "-e", text(&pulled)]);
    assert_eq!(line.cuts_left(), 0);
    assert!(line.passed() < 25_000_000, "{} bytes passed", line.passed());
    assert_equal(&archive, &pulled);
    // One that breaks for good says so, and nothing has a name.
    let line = Line::to(5001, u64::MAX, 0);
    told(&line);
    let image = format!("localhost:{}/web:1", line.port);
    assert_says(&registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]), &["gave up after", "tries"]);
    assert!(!pulled.exists());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_registry_that_comes_back_gets_the_rest() {
    let folder = folder();
    let mut registry = Registry::plain(folder.path(), 5001);
    registry.told_insecure();
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let (image, pulled) = (registry.image("web:1"), folder.path().join("pulled.tar"));
    for arguments in [&["push", &archive, &image][..], &["pull", &image, "-e", text(&pulled)]] {
        let mut ckpt = registry.command(env!("CARGO_BIN_EXE_ckpt"), arguments);
        let running = spawn(move || ckpt.output().unwrap());
        // At any moment: before it, in it, or after it.
        sleep(Duration::from_millis(120));
        registry.kill();
        registry.run();
        let output = running.join().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_equal(&archive, &pulled);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_a_registry_gives_is_checked() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    registry.told_insecure();
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let (image, pulled) = (registry.image("web:1"), folder.path().join("pulled.tar"));
    let wanted = format!("docker://{image}");
    for compression in ["none", "zstd"] {
        registry.ckpt(&["push", &archive, &image, "--compress", compression]);
        let layer = registry.files().remove(0);
        let whole = fs::read(&layer).unwrap();
        let middle = whole.len() / 2;
        let flipped = [&whole[..middle], &[!whole[middle]], &whole[middle + 1..]].concat();
        fs::write(&layer, flipped).unwrap();
        for arguments in [&["pull", &image, "-e", text(&pulled)][..], &["restore", "-i", &wanted]] {
            assert_says(&registry.ckpt_fails(arguments), &["its layer is damaged", "Nothing of it was used"]);
            assert!(!pulled.exists());
        }
        // A registry does not look at what it has. The next push is told that the layer is there.
        fs::write(&layer, whole).unwrap();
        registry.ckpt(&["pull", &image, "-e", text(&pulled)]);
        assert_equal(&archive, &pulled);
        fs::remove_dir_all(&registry.blobs).unwrap();
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_full_disk_stops_a_pull_and_the_next_goes_well() {
    let folder = folder();
    let registry = Registry::plain(folder.path(), 5001);
    registry.told_insecure();
    let archive = archive_of_web(folder.path(), &[], &[], FILL);
    let image = registry.image("web:1");
    registry.ckpt(&["push", &archive, &image]);
    let small = Mounted::tmpfs("size=10m");
    let pulled = small.path().join("pulled.tar");
    let said = registry.ckpt_fails(&["pull", &image, "-e", text(&pulled)]);
    assert_says(&said, &["takes more than", "make space there"]);
    assert_eq!(fs::read_dir(small.path()).unwrap().count(), 0);
    succeed("mount", &["-o", "remount,size=100m", text(small.path())]);
    registry.ckpt(&["pull", &image, "-e", text(&pulled)]);
    assert_equal(&archive, &pulled);
}

/// Another host: a network namespace of its own, at the other end of a cable, and a storage of its own.
struct FarHost {
    folder: tempfile::TempDir,
}

impl FarHost {
    const NEAR_ADDRESS: &str = "10.77.0.1";

    fn new() -> Self {
        shell_in(
            Path::new("/"),
            "ip netns add far; ip link add near0 type veth peer name far0 netns far
             ip address add 10.77.0.1/24 dev near0; ip link set near0 up
             ip -n far address add 10.77.0.2/24 dev far0; ip -n far link set far0 up; ip -n far link set lo up",
        );
        let host = FarHost { folder: folder() };
        let path = |name: &str| host.folder.path().join(name);
        let [graph, run] = [path("graph"), path("run")];
        let storage = format!("[storage]\ndriver = \"overlay\"\ngraphroot = {graph:?}\nrunroot = {run:?}\n");
        fs::write(path("storage.conf"), storage).unwrap();
        let image = path("image.tar");
        podman(&["save", "--quiet", "--output", text(&image), IMAGE]);
        host.run("podman", &["load", "--quiet", "--input", text(&image)]);
        host
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let storage = format!("CONTAINERS_STORAGE_CONF={}/storage.conf", self.folder.path().display());
        succeed("nsenter", &[&["--net=/run/netns/far", "env", &storage, program], arguments].concat())
    }
}

impl Drop for FarHost {
    fn drop(&mut self) {
        for arguments in [["rm", "--force", "--all", "--time=0"].as_slice(), &["rmi", "--force", "--all"]] {
            let storage = self.folder.path().join("storage.conf");
            let mut podman = std::process::Command::new("podman");
            let _ = podman.args(arguments).env("CONTAINERS_STORAGE_CONF", storage).output();
        }
        let _ = run("umount", &[text(&self.folder.path().join("graph/overlay"))]);
        let _ = run("ip", &["link", "delete", "near0"]);
        let _ = run("ip", &["netns", "delete", "far"]);
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_container_moves_to_another_host_and_back() {
    let folder = folder();
    let far = FarHost::new();
    let registry = Registry::plain_at(folder.path(), FarHost::NEAR_ADDRESS, 5001);
    let settings = format!("CONTAINERS_REGISTRIES_CONF={}/settings-5001/registries.conf", folder.path().display());
    let far_ckpt = |arguments: &[&str]| far.run("env", &[&[&settings, env!("CARGO_BIN_EXE_ckpt")], arguments].concat());
    let archive = archive_of_web(folder.path(), &["--network=none"], &[], FILL);
    let [there, back] = ["web:1", "web:2"].map(|name| registry.image(name));
    registry.ckpt(&["push", &archive, &there]);
    far_ckpt(&["restore", "-i", &format!("docker://{there}")]);
    assert_eq!(far.run("podman", &["exec", "web", "cat", "/srv/new"]), "new");
    far.run("podman", &["exec", "web", "sh", "-c", "echo far > /srv/new"]);
    let again = folder.path().join("again.tar");
    far_ckpt(&["checkpoint", "web", "-e", text(&again)]);
    far_ckpt(&["push", text(&again), &back]);
    let web = Container::named("web");
    registry.ckpt(&["restore", "-i", &format!("docker://{back}")]);
    assert_eq!(web.exec("cat /srv/new"), "far");
    assert_consecutive(&web.wait_for_numbers(10));
}
