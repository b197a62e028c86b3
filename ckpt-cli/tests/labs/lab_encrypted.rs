//! Encrypted archives: who reads them, who does not, and that age(1) and `ckpt` read each other's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::lab::*;

/// What is in the container's memory and files, and should be in no file that others read.
const SECRET: &str = "correct-horse-battery-staple";

/// A key of age.
struct Key {
    file: PathBuf,
    recipient: String,
}

impl Key {
    fn new(folder: &Path, name: &str) -> Self {
        let file = folder.join(name);
        succeed("age-keygen", &["-o", text(&file)]);
        Key { recipient: succeed("age-keygen", &["-y", text(&file)]), file }
    }

    fn path(&self) -> &str {
        text(&self.file)
    }
}

fn has_secret(file: &Path) -> bool {
    run("grep", &["-c", SECRET, text(file)]).status.success()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn memory_files_and_volumes_come_back_from_an_encrypted_archive() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let [mine, theirs] = ["mine", "theirs"].map(|name| Key::new(folder.path(), name));
    fs::write(path("recipients"), format!("# all of us\n{}\n", theirs.recipient)).unwrap();
    let volume = Volume::named("data");
    let web = Container::run("web", &["-v", "data:/data"], &format!("secret={SECRET}\n{COUNT}"));
    web.exec(&format!("head -c 5000000 /dev/urandom > /srv/large; echo {SECRET} > /srv/secret; echo x > /data/x"));
    let archive = path("web.tar.age");
    let list = path("recipients");
    let recipients = ["--recipient", &mine.recipient, "--recipient", text(&list)];
    ckpt(&["checkpoint", "web", "-R", "-e", text(&path("plain.tar"))]);
    ckpt(&[&["checkpoint", "web", "-e", text(&archive)][..], &recipients].concat());
    assert!(has_secret(&path("plain.tar")) && !has_secret(&archive));
    assert_eq!(fs::metadata(&archive).unwrap().permissions().mode() & 0o777, 0o600);
    let (tree, files, numbers) = (web.tree(), volume.tree(), web.numbers());
    web.remove();
    volume.remove();

    // Each of them opens it, also with age itself.
    succeed("age", &["-d", "-i", theirs.path(), "-o", text(&path("opened.tar")), text(&archive)]);
    ckpt(&["verify", "--aligned", text(&path("opened.tar"))]);
    let world = World::at_rest(folder.path());
    for key in [&mine, &theirs] {
        assert_says(&ckpt(&["inspect", "--identity", key.path(), text(&archive)]), &["web (", "rootfs-diff.tar"]);
    }
    assert_eq!(ckpt(&["ls", "--identity", mine.path(), text(&archive)]), ckpt(&["ls", text(&path("opened.tar"))]));
    ckpt(&["verify", "--aligned", "--identity", mine.path(), text(&archive)]);

    // It is decrypted beside the storage, and cloned from there.
    let restore = ["restore", "-i", text(&archive), "--identity", mine.path(), "--reflink", "always", "--print-stats"];
    assert!(statistics(&ckpt(&restore))["cloned_bytes"].as_u64().unwrap() > 5_000_000);
    assert_same_tree(&tree, &web.tree());
    assert_same_tree(&files, &volume.tree());
    assert_consecutive(&web.wait_for_numbers(numbers.len() + 3));
    web.remove();
    volume.remove();
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_age_encrypts_is_restored_and_copied() {
    let folder = folder();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let key = Key::new(folder.path(), "key");
    let archive = archive_of_web(folder.path(), &[], &[], "echo new > /srv/new");
    succeed("zstd", &["-q", &archive, "-o", &path("web.tar.zst")]);
    succeed("age", &["-a", "-r", &key.recipient, "-o", &path("letters.age"), &archive]);
    succeed("age", &["-r", &key.recipient, "-o", &path("web.tar.zst.age"), &path("web.tar.zst")]);
    for name in ["letters.age", "web.tar.zst.age"] {
        let web = Container::named("web");
        ckpt(&["restore", "-i", &path(name), "--identity", key.path()]);
        assert_eq!(web.exec("cat /srv/new"), "new");
    }
    let copies = [Container::named("copy-1"), Container::named("copy-2")];
    let of_pipe = format!(
        "cat letters.age | {} restore -i - --identity key --name copy-{{n}} --count 2",
        env!("CARGO_BIN_EXE_ckpt")
    );
    shell_in(folder.path(), &of_pipe);
    assert!(copies.iter().all(Container::is_running));
    // Each of several has a name that says so.
    let both = path("both");
    fs::create_dir(&both).unwrap();
    ckpt(&["checkpoint", "copy-1", "copy-2", "-R", "-e", &both, "--recipient", &key.recipient]);
    for name in ["copy-1.tar.age", "copy-2.tar.age"] {
        let archive = format!("{both}/{name}");
        assert_says(&ckpt(&["ls", "--identity", key.path(), &archive]), &["checkpoint/inventory.img"]);
    }
    // Compressed as its name says, and then encrypted.
    let archive = path("small.tar.zst.age");
    ckpt(&["checkpoint", "copy-1", "-R", "-e", &archive, "--recipient", &key.recipient]);
    shell_in(folder.path(), "age -d -i key small.tar.zst.age | zstd -d -q | tar -t | grep -q inventory.img");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_who_has_no_key_or_half_an_archive_gets_nothing() {
    let folder = folder();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let [key, other] = ["key", "other"].map(|name| Key::new(folder.path(), name));
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 3000000 /dev/urandom > /srv/large");
    let archive = path("web.tar.age");
    ckpt(&["checkpoint", "web", "-e", &archive, "--recipient", &key.recipient]);
    web.remove();
    let whole = fs::read(&archive).unwrap();
    // The payload begins behind the line that ends the header, and a nonce; each chunk has 64 KiB and a tag.
    let payload = whole.windows(4).position(|bytes| bytes == b"---\x20").unwrap();
    let payload = payload + whole[payload..].iter().position(|&byte| byte == b'\n').unwrap() + 1 + 16;
    let mut flipped = whole.clone();
    flipped[payload + 20 * 65552 + 5] ^= 1;
    fs::write(path("flipped.age"), flipped).unwrap();
    fs::write(path("cut.age"), &whole[..payload + 20 * 65552]).unwrap();
    fs::write(path("half.age"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("plain.tar"), "not encrypted").unwrap();
    let world = World::at_rest(folder.path());
    for (file, key, words) in [
        ("web.tar.age", other.path(), "no key that --identity names opens it"),
        ("web.tar.age", "/nonexistent", "read /nonexistent"),
        ("web.tar.age", &archive, "no file of keys"),
        ("flipped.age", key.path(), "Nothing of it was used"),
        ("cut.age", key.path(), "Nothing of it was used"),
        ("half.age", key.path(), "Nothing of it was used"),
        ("plain.tar", key.path(), "is not encrypted"),
    ] {
        for command in [&["restore", "-i"][..], &["inspect"], &["ls"], &["verify"]] {
            let said = ckpt_fails(&[command, &[&path(file), "--identity", key]].concat());
            assert_says(&said, &[words]);
        }
    }
    for command in [&["restore", "-i"][..], &["inspect"], &["ls"], &["verify"], &["push", "oci:x:y"], &["diff"]] {
        let arguments = match command {
            ["push", image] => vec!["push", &archive, image],
            command => [command, &[&archive]].concat(),
        };
        assert_says(&ckpt_fails(&arguments), &["web.tar.age is encrypted: --identity FILE"]);
    }
    // Whoever can write it could encrypt something else for us.
    succeed("chmod", &["666", &archive]);
    assert_says(&ckpt_fails(&["restore", "-i", &archive, "--identity", key.path()]), &["can be written by others"]);
    succeed("chmod", &["600", &archive]);
    world.assert_same(folder.path());
    ckpt(&["restore", "-i", &archive, "--identity", key.path()]);
    assert!(web.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_nothing_is_written_that_is_not_encrypted_as_asked() {
    let folder = folder();
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let key = Key::new(folder.path(), "key");
    let web = Container::run("web", &[], COUNT);
    let archive = path("web.tar.age");
    let checkpoint = |more: &[&str]| ckpt_fails(&[&["checkpoint", "web", "-e"], more].concat());
    for (more, words) in [
        (&[&archive[..]][..], "would not be encrypted"),
        (&[&archive, "--recipient", "age1nobody"], "neither a recipient"),
        (&[&archive, "--recipient", key.path()], "is no recipient of age"),
        (&[&archive, "--recipient", &key.recipient, "--reflink", "always"], "cannot be made of clones"),
    ] {
        assert_says(&checkpoint(more), &[words]);
    }
    fs::write(path("file"), b"plain").unwrap();
    for others in [
        &["fork", "web", "-c", "1", "--keep", &archive][..],
        &["pack", "-f", &archive, &path("file")],
        &["align", &path("file"), &archive],
        &["pull", "oci:nowhere:tag", "-e", &archive],
        &["rootfs", "save", "web", "-e", &archive],
    ] {
        assert_says(&ckpt_fails(others), &["would not be encrypted"]);
    }
    assert!(!Path::new(&archive).exists());
    let to_a_pipe = format!("checkpoint web -e - --recipient {} | cat", key.recipient);
    let said = run("bash", &["-c", &format!("set -o pipefail; {} {to_a_pipe}", env!("CARGO_BIN_EXE_ckpt"))]);
    assert!(!said.status.success() && said.stdout.is_empty());
    assert_says(&String::from_utf8_lossy(&said.stderr), &["only a file can be encrypted"]);
    assert!(web.goes_on());
    // A disk that is full of it leaves the container running, and no half of an archive.
    let small = Mounted::tmpfs("size=200k");
    let full = small.path().join("web.tar.age");
    web.exec("head -c 1000000 /dev/urandom > /srv/large");
    ckpt_fails(&["checkpoint", "web", "-e", text(&full), "--recipient", &key.recipient]);
    assert!(web.goes_on() && fs::read_dir(small.path()).unwrap().count() == 0);
}
