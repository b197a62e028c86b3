//! File flags (chattr(1)) are not kept, and that is told in a line: a restored container whose files are immutable could not
//! be removed by podman.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::*;

/// What `ckpt` says of success on stderr.
fn warnings(arguments: &[&str]) -> String {
    let output = run(env!("CARGO_BIN_EXE_ckpt"), arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said.trim_end().to_owned()
}

fn flags(path: &Path) -> String {
    succeed("lsattr", &["-d", text(path)]).split_whitespace().next().unwrap().replace('-', "")
}

/// Where the files of the container and of its volume lie on the host.
fn places(container: &Container) -> [PathBuf; 2] {
    let upperdir = container.inspect("{{.GraphDriver.Data.UpperDir}}");
    let volume = podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", "flags"]);
    [Path::new(&upperdir).join("srv"), volume.into()]
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_flags_of_a_containers_files_are_told_by_the_checkpoint() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let container = Container::run("flagged", &["-v", "flags:/data"], COUNT);
    let volume = Volume::named("flags");
    container.exec("cd /srv && touch a b c && mkdir d && touch /data/e");
    assert_eq!(warnings(&["checkpoint", "--leave-running", "flagged", "-e", text(&archive)]), "");
    let [root, data] = places(&container);
    let flagged = [(root.join("a"), "i"), (root.join("b"), "a"), (root.join("d"), "i"), (data.join("e"), "a")];
    let change = |sign: &str| {
        flagged.iter().for_each(|(path, flag)| drop(succeed("chattr", &[&format!("{sign}{flag}"), text(path)])));
    };
    change("+");
    let said = warnings(&["checkpoint", "--leave-running", "flagged", "-e", text(&archive)]);
    change("-");
    let expected = "of the files, 4 are immutable, append-only or nodump (lsattr), which a restore does not make them";
    assert_eq!(said, format!("Warning: {expected}"));
    container.remove();
    volume.remove();
    assert_eq!(warnings(&["restore", "-i", text(&archive)]), "");
    let [root, data] = places(&container);
    let restored = [root.join("a"), root.join("b"), root.join("d"), data.join("e")];
    assert_eq!(restored.map(|path| flags(&path)), [""; 4]);
}

#[test]
#[ignore = "needs root and loop devices: cargo xtask test"]
fn xfs_flags_are_told_by_pack_and_unpack_and_not_set() {
    let folder = folder();
    let [tree, theirs, ours, target] =
        ["tree", "theirs.tar", "ours.tar", "target"].map(|name| folder.path().join(name));
    fs::create_dir_all(tree.join("d")).unwrap();
    fs::create_dir(&target).unwrap();
    let large = vec![b'x'; 1 << 20];
    for (name, data) in [("small", &b"x"[..]), ("large", &large), ("plain", b"x")] {
        fs::write(tree.join(name), data).unwrap();
    }
    fs::hard_link(tree.join("small"), tree.join("z")).unwrap();
    let flagged = ["small", "large", "d"].map(|name| tree.join(name));
    flagged.iter().for_each(|path| drop(succeed("chattr", &["+d", text(path)])));
    let said = warnings(&["pack", "-C", text(&tree), "-f", text(&ours), "."]);
    let expected =
        "Warning: of the files, 3 are immutable, append-only or nodump (lsattr), which the archive does not keep";
    assert_eq!(said, expected);
    assert_eq!(warnings(&["unpack", "-C", text(&target), text(&ours)]), "");
    succeed("bsdtar", &["--format", "pax", "-cf", text(&theirs), "-C", text(&tree), "small", "large", "plain", "d"]);
    let said = warnings(&["unpack", "-C", text(&target), text(&theirs)]);
    assert_eq!(said, "Warning: of the members, 3 have file flags (chattr, SCHILY.fflags), which are not set");
    assert_eq!(flags(&target.join("small")), "");
}
