//! Checkpoints as images in folders: who takes them, and what comes back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::lab::*;

const FILL: &str = "head -c 20000000 /dev/urandom > /srv/large; rm /etc/passwd; echo small > /data/small;
    head -c 3000000 /dev/urandom > /data/large";

fn in_folder(folder: &Path, tag: &str) -> String {
    format!("oci:{}/images:{tag}", folder.display())
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_files_and_volumes_come_back_from_a_folder_of_images() {
    let folder = folder();
    let (archive, image) = (folder.path().join("web.tar"), in_folder(folder.path(), "web"));
    let volume = Volume::named("data");
    let web = Container::run("web", &["-v", "data:/data"], COUNT);
    web.exec(FILL);
    ckpt(&["checkpoint", "web", "-e", text(&archive)]);
    let (tree, files, numbers) = (web.tree(), volume.tree(), web.numbers());
    web.remove();
    volume.remove();

    let used_before = used_bytes(folder.path());
    let printed = ckpt(&["push", text(&archive), &image]);
    assert!(printed.starts_with(&format!("{image}@sha256:")), "{printed}");
    let grown = used_bytes(folder.path()).saturating_sub(used_before);
    assert!(grown < 1_000_000, "the image took {grown} bytes");
    assert_says(&ckpt(&["inspect", &image]), &["web (", "rootfs-diff.tar"]);
    let back = folder.path().join("back.tar");
    ckpt(&["pull", &image, "-e", text(&back)]);
    assert_eq!(run("cmp", &[text(&archive), text(&back)]).status.code(), Some(0));

    let printed = ckpt(&["restore", "-i", &image, "--reflink", "always", "--print-stats"]);
    assert!(statistics(&printed)["cloned_bytes"].as_u64().unwrap() > 23_000_000, "{printed}");
    assert_same_tree(&tree, &web.tree());
    assert_same_tree(&files, &volume.tree());
    assert_consecutive(&web.wait_for_numbers(numbers.len() + 3));
}

/// The annotations of an image in podman's storage, those of buildah left out.
fn annotations(image: &str) -> BTreeMap<String, String> {
    let printed = podman(&["image", "inspect", image, "--format", "{{json .Annotations}}"]);
    let all: BTreeMap<String, String> = serde_json::from_str(&printed).unwrap();
    all.into_iter().filter(|(name, _)| !name.starts_with("org.opencontainers.image.base.")).collect()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_other_programs_take_our_image_and_it_says_what_podmans_says() {
    let folder = folder();
    let (archive, image) = (folder.path().join("web.tar"), in_folder(folder.path(), "localhost/ours:1"));
    let web = Container::run("web", &[], COUNT);
    web.exec("echo new > /srv/new");
    podman(&["container", "checkpoint", "web", "-R", "--create-image", "localhost/theirs"]);
    ckpt(&["checkpoint", "web", "-e", text(&archive)]);
    web.remove();
    ckpt(&["push", text(&archive), &image]);

    let manifest: serde_json::Value = serde_json::from_str(&succeed("skopeo", &["inspect", "--raw", &image])).unwrap();
    for (name, value) in annotations("localhost/theirs") {
        assert_eq!(manifest["annotations"][&name], value, "{name}");
        let index: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(folder.path().join("images/index.json")).unwrap()).unwrap();
        assert_eq!(index["manifests"][0]["annotations"][&name], value, "{name}");
    }
    for name in ["io.kubernetes.cri-o.annotations.checkpoint.name", "org.criu.checkpoint.container.name"] {
        assert_eq!(manifest["annotations"][name], "web");
    }
    let copied = format!("dir:{}/copied", folder.path().display());
    succeed("skopeo", &["copy", &image, &copied]);
    let unpacked = folder.path().join("unpacked");
    let umoci = format!("{}/images:localhost/ours:1", folder.path().display());
    succeed("umoci", &["unpack", "--image", &umoci, text(&unpacked)]);
    assert!(unpacked.join("rootfs/checkpoint/inventory.img").is_file());
    succeed("buildah", &["pull", &image]);
    podman(&["pull", &image]);
    podman(&["container", "restore", "localhost/ours:1"]);
    assert_eq!(web.exec("cat /srv/new"), "new");
    assert!(web.is_running() && !web.wait_for_numbers(3).is_empty());
    web.remove();

    let theirs = in_folder(folder.path(), "theirs");
    succeed("skopeo", &["copy", "containers-storage:localhost/theirs:latest", &theirs]);
    ckpt(&["restore", "-i", &theirs]);
    assert_eq!(web.exec("cat /srv/new"), "new");
    let aligned = folder.path().join("theirs.tar");
    ckpt(&["pull", &theirs, "-e", text(&aligned)]);
    ckpt(&["verify", "--aligned", text(&aligned)]);
    podman(&["rmi", "localhost/ours:1", "localhost/theirs"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_create_image_makes_podmans_image() {
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 5000000 /dev/urandom > /srv/large; echo new > /srv/new");
    podman(&["container", "checkpoint", "web", "-R", "--create-image", "localhost/theirs"]);
    let sum = web.exec("md5sum /srv/large /srv/new");
    assert_eq!(ckpt(&["checkpoint", "web", "--create-image", "ours"]), "web");
    let storage = fs::read_dir("/var/lib/containers/storage").unwrap().map(|entry| entry.unwrap().file_name());
    assert!(storage.into_iter().all(|name| !name.to_string_lossy().starts_with("ckpt-image-")));
    let mut ours = annotations("localhost/ours:latest");
    ours.retain(|name, _| name.starts_with("io.podman."));
    assert_eq!(ours, annotations("localhost/theirs"));
    web.remove();
    podman(&["container", "restore", "ours"]);
    assert_eq!(sum, web.exec("md5sum /srv/large /srv/new"));
    // podman restores an image without what was printed before.
    assert!(web.wait_for_numbers(5)[0] > 1);
    web.remove();
    podman(&["rmi", "localhost/ours:latest", "localhost/theirs"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_image_that_podman_does_not_take_loses_no_checkpoint() {
    let web = Container::run("web", &[], COUNT);
    let no_podman = folder_of(&[], &[]);
    let script =
        format!("[ \"$1\" = pull ] && echo 'no space, say' >&2 && exit 125\nexec {} \"$@\"", installed("podman"));
    make_script(&no_podman.path().join("podman"), &script);
    let said = ckpt_fails_with(no_podman.path(), &["checkpoint", "web", "--create-image", "ours"]);
    assert_says(&said, &["made no image", "no space, say"]);
    let kept = said.split(" as ").nth(1).unwrap().split(": ").next().unwrap();
    web.remove();
    ckpt(&["restore", "-i", kept]);
    assert!(web.is_running());
    fs::remove_dir_all(Path::new(kept).parent().unwrap()).unwrap();
}

/// Killed while podman takes the image, and the container is stopped: its archive is all that there is.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_killed_create_image_leaves_an_archive_that_the_next_run_tells_of() {
    let folder = folder();
    let web = Container::run("web", &[], COUNT);
    let before = web.wait_for_numbers(3).len();
    let held = Held::at("podman", "pull");
    let mut ckpt = held.start(&["checkpoint", "web", "--create-image", "ours"]);
    let podman_pull = held.reached();
    kill(&mut ckpt, &[podman_pull]);
    web.remove();
    let other = Container::run("other", &[], COUNT);
    // As long as the archive is there, each run tells of it.
    let told = |arguments: &[&str]| {
        let output = run(env!("CARGO_BIN_EXE_ckpt"), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.lines().count() == 1, "{said}");
        assert_says(&said, &["Warning: ", "never became the image", "`ckpt restore -i`"]);
        said.split("kept as ").nth(1).unwrap().split(": ").next().unwrap().to_owned()
    };
    let kept = told(&["checkpoint", "other", "-R", "-e", text(&folder.path().join("other.tar"))]);
    let place = Path::new(&kept).parent().unwrap();
    assert_eq!(fs::read_dir(place).unwrap().count(), 1);
    assert_eq!(told(&["restore", "-i", &kept]), kept);
    assert_consecutive(&web.wait_for_numbers(before + 3));
    fs::remove_dir_all(place).unwrap();
    // A run that lives is left alone by others.
    let held = Held::at("podman", "pull");
    let ckpt = held.start(&["checkpoint", "web", "--create-image", "ours"]);
    held.reached();
    let said = run(env!("CARGO_BIN_EXE_ckpt"), &["checkpoint", "other", "-e", text(&folder.path().join("other.tar"))]);
    assert_eq!(String::from_utf8_lossy(&said.stderr), "");
    held.let_go();
    assert!(ckpt.wait_with_output().unwrap().status.success());
    drop(other);
    podman(&["rmi", "localhost/ours:latest"]);
}

/// What is wrong with a folder is said, and no archive gets a name.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_damaged_and_hostile_images_are_refused() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &[], &[], "echo new > /srv/new");
    let (image, pulled) = (in_folder(folder.path(), "web"), folder.path().join("pulled.tar"));
    ckpt(&["push", &archive, &image]);
    let images = folder.path().join("images");
    let manifest: serde_json::Value = serde_json::from_str(&succeed("skopeo", &["inspect", "--raw", &image])).unwrap();
    let digest = manifest["layers"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let layer = images.join("blobs/sha256").join(&digest);
    let whole = fs::read(&layer).unwrap();
    let flipped: Vec<u8> =
        whole.iter().enumerate().map(|(at, byte)| if at == whole.len() / 2 { !byte } else { *byte }).collect();
    let refused = |words: &[&str]| {
        for arguments in [&["pull", &image, "-e", text(&pulled)][..], &["restore", "-i", &image], &["inspect", &image]]
        {
            assert_says(&ckpt_fails(arguments), words);
        }
        assert!(!pulled.exists());
    };
    fs::write(&layer, &flipped).unwrap();
    refused(&["its layer is damaged", &digest, "Nothing of it was used"]);
    fs::write(&layer, &whole[..whole.len() / 2]).unwrap();
    refused(&["its layer has", "and should have"]);
    fs::remove_file(&layer).unwrap();
    refused(&["No such file"]);
    symlink(&archive, &layer).unwrap();
    refused(&["symbolic links"]);
    fs::remove_file(&layer).unwrap();
    // The next push goes on with what is there, and puts it right.
    ckpt(&["push", &archive, &image]);
    ckpt(&["pull", &image, "-e", text(&pulled)]);
    fs::remove_file(&pulled).unwrap();

    let index = images.join("index.json");
    let told = fs::read_to_string(&index).unwrap();
    let of_manifest = told.split("sha256:").nth(1).unwrap()[..64].to_owned();
    for (from, to, words) in [
        (&of_manifest[..], "../../../../../../../../etc/passwd", &["is not understood"][..]),
        (&of_manifest, &"0".repeat(64), &["No such file"]),
        ("\"web\"", "\"other\"", &["has no image \"web\"; it has other"]),
        ("{", "[", &["is not understood"]),
    ] {
        fs::write(&index, told.replace(from, to)).unwrap();
        refused(words);
    }
    fs::write(&index, &told).unwrap();
    fs::write(images.join("blobs/sha256").join(&of_manifest), "{}").unwrap();
    refused(&["its manifest is damaged"]);
    // Nothing of somebody else's folder is taken for images.
    let foreign = format!("oci:{}:web", folder.path().display());
    assert_says(&ckpt_fails(&["push", &archive, &foreign]), &["is no folder of OCI images"]);
}

/// Two gigabytes of one line have some hundred kilobytes; the annotations are those of a checkpoint.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn long_btrfs_a_bomb_is_refused_before_it_fills_the_disk() {
    let folder = folder();
    let archive = archive_of_web(folder.path(), &[], &[], "");
    let image = in_folder(folder.path(), "web");
    ckpt(&["push", &archive, &image, "--compress", "zstd"]);
    let script = r#"
import hashlib, json, subprocess
blobs = "images/blobs/sha256/"
def put(data):
    name = hashlib.sha256(data).hexdigest()
    open(blobs + name, "wb").write(data)
    return "sha256:" + name, len(data)
index = json.load(open("images/index.json"))
manifest = json.load(open(blobs + index["manifests"][0]["digest"][7:]))
bomb = "yes bomb | head -c 2G > config.dump; tar -c config.dump | zstd -q -c; rm config.dump"
bomb = subprocess.run(bomb, shell=True, capture_output=True).stdout
manifest["layers"][0]["digest"], manifest["layers"][0]["size"] = put(bomb)
for aligned in [True, False]:
    if not aligned:
        del manifest["annotations"]["ckpt.archive.block-size"]
        del index["manifests"][0]["annotations"]["ckpt.archive.block-size"]
    index["manifests"][0]["digest"], index["manifests"][0]["size"] = put(json.dumps(manifest).encode())
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "aligned" if aligned else "other"
    json.dump(index, open("images/index.json" if aligned else "index.other", "w"))
"#;
    fs::write(folder.path().join("bomb.py"), script).unwrap();
    shell_in(folder.path(), "python3 bomb.py");
    let pulled = folder.path().join("pulled.tar");
    for tag in ["aligned", "other"] {
        if tag == "other" {
            shell_in(folder.path(), "mv index.other images/index.json");
        }
        let said = ckpt_fails(&["pull", &in_folder(folder.path(), tag), "-e", text(&pulled)]);
        assert_says(&said, &["200 times"]);
        assert!(!pulled.exists());
    }
}
