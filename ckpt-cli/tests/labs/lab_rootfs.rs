//! `ckpt rootfs`: what an overlay or a container changed, in each form, and back.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::changes::*;
use crate::lab::*;

const FORMS: [&str; 3] = ["podman", "oci", "overlay"];

fn save(target: &str, archive: &Path, options: &[&str]) {
    ckpt(&[&["rootfs", "save", target, "-e", text(archive)], options].concat());
}

#[test]
#[ignore = "needs root and file systems: cargo xtask test"]
fn changes_come_back_in_every_form_and_nothing_is_copied() {
    let overlay = Overlay::new();
    let merged = overlay.mount("one");
    shell_in(&merged, CHANGE);
    let before = describe_tree(&merged);
    for form in FORMS {
        let archive = overlay.path(&format!("{form}.tar"));
        overlay.add(form);
        let used = used_bytes(overlay.folder.path());
        save(text(&merged), &archive, &["--format", form, "--reflink", "always"]);
        overlay.apply(form, &archive, &["--reflink", "always"]);
        let more = used_bytes(overlay.folder.path()) - used;
        assert!(more < BIG / 4, "{form}: {more} bytes more are used");
        assert_same_tree(&before, &overlay.tree(form));
        assert_eq!(fs::metadata(&archive).unwrap().len() / BIG, 4, "the sparse file is in it once, the big one too");
    }
    // Read by others: tar takes the marks of an upper directory as they are.
    overlay.add("by-tar");
    let archive = overlay.path("overlay.tar");
    let target = overlay.path("by-tar/upper");
    let extract = ["--xattrs", "--xattrs-include=*", "--warning=no-unknown-keyword", "-xpf", text(&archive), "-C"];
    succeed("tar", &[&extract[..], &[text(&target)]].concat());
    // tar has no member for a socket, and takes only one ACL out of two records.
    assert_eq!(lost(&before, &overlay.tree("by-tar")), ["replaced"]);
    overlay.unmount("one");
}

#[test]
#[ignore = "needs root and file systems: cargo xtask test"]
fn btrfs_archives_may_be_compressed_streamed_and_on_another_file_system() {
    let overlay = Overlay::new();
    let merged = overlay.mount("one");
    shell_in(&merged, CHANGE);
    let before = describe_tree(&merged);
    let elsewhere = tempfile::tempdir_in("/mnt/ext4").unwrap();
    let ckpt = env!("CARGO_BIN_EXE_ckpt");
    shell_in(
        elsewhere.path(),
        &format!("{ckpt} rootfs save {} -e - --format overlay | zstd -q > stream", text(&merged)),
    );
    for (name, options) in [("x.tar.zst", &["--format", "podman"][..]), ("x.tar", &[]), ("x.tar.gz", &["--freeze"])] {
        save(text(&merged), &elsewhere.path().join(name), options);
    }
    for name in ["stream", "x.tar.zst", "x.tar", "x.tar.gz"] {
        overlay.add(name);
        overlay.apply(name, &elsewhere.path().join(name), &[]);
        assert_same_tree(&before, &overlay.tree(name));
    }
    overlay.unmount("one");
}

#[test]
#[ignore = "needs root and file systems: cargo xtask test"]
fn btrfs_names_of_one_form_are_files_in_another() {
    let overlay = Overlay::new();
    fs::write(overlay.path("lower/.wh.of-image"), "c").unwrap();
    let merged = overlay.mount("one");
    let change =
        "rm etc/passwd .wh.of-image; echo a > keep/.wh.file; echo b > rootfs-diff.tar; echo '[]' > deleted.files";
    shell_in(&merged, change);
    let before = describe_tree(&merged);
    for form in ["podman", "overlay"] {
        overlay.add(form);
        let archive = overlay.path(&format!("{form}.tar"));
        save(text(&merged), &archive, &["--format", form]);
        overlay.apply(form, &archive, &[]);
        assert_same_tree(&before, &overlay.tree(form));
    }
    let archive = overlay.path("oci.tar");
    let refused = |merged: &Path, name: &str| {
        let said = ckpt_fails(&["rootfs", "save", text(merged), "-e", text(&archive)]);
        assert_says(&said, &[name, "`podman` or `overlay`"]);
        assert!(!archive.exists());
    };
    refused(&merged, "\".wh.of-image\"");
    overlay.unmount("one");
    fs::remove_file(overlay.path("one/upper/.wh.of-image")).unwrap();
    let merged = overlay.mount("one");
    refused(&merged, "keep/.wh.file");
    shell_in(&merged, "rm keep/.wh.file");
    save(text(&merged), &archive, &[]);
    overlay.add("oci");
    overlay.apply("oci", &archive, &[]);
    assert_same_tree(&describe_tree(&merged), &overlay.tree("oci"));
    overlay.unmount("one");
}

/// Writes to two files in turn, with many between them in the order of a walk.
const WRITE: &str = "
    mkdir /srv/m; for i in $(seq 2000); do echo $i > /srv/m/$i; done
    i=0; while :; do i=$((i+1)); echo $i >> /srv/a; echo $i >> /srv/z; [ $i = 9 ] && touch /begun; done";

#[test]
#[ignore = "needs podman: cargo xtask test"]
fn a_container_that_stands_still_is_saved_as_of_one_moment() {
    let folder = folder();
    let container = Container::run("moment", &[], WRITE);
    wait_for("it writes", || run("podman", &["exec", "moment", "test", "-e", "/begun"]).status.success().then_some(()));
    let world = World::at_rest(folder.path());
    let pid = container.inspect("{{.State.Pid}}");
    for (number, target) in ["moment", &pid].into_iter().enumerate() {
        let archive = folder.path().join("x.tar");
        let options = ["--format", FORMS[number], "--freeze", "--reflink", "always"];
        save(target, &archive, &options);
        let name = format!("copy{number}");
        podman(&["create", "--name", &name, IMAGE, "sleep", "1000"]);
        let copy = Container::named(&name);
        ckpt(&["rootfs", "apply", &name, "-i", text(&archive), "--reflink", "always"]);
        podman(&["start", &name]);
        let lines = |file: &str| copy.exec(&format!("wc -l < /srv/{file}")).trim().parse::<i64>().unwrap();
        let (a, z) = (lines("a"), lines("z"));
        assert!((0..=1).contains(&(a - z)) && z >= 9, "{target}: {a} {z}");
        assert_eq!(copy.exec("ls /srv/m | wc -l").trim(), "2000");
        fs::remove_file(archive).unwrap();
    }
    assert_eq!(frozen_tasks(&container), Vec::<String>::new());
    let now = || container.exec("wc -l < /srv/a").trim().parse::<i64>().unwrap();
    let before = now();
    wait_for("the container to go on", || (now() > before).then_some(()));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman: cargo xtask test"]
fn btrfs_whoever_is_killed_a_saved_container_runs_on() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let many = "mkdir /srv/m; for i in $(seq 20000); do : > /srv/m/$i; done; touch /begun; ";
    let container = Container::run("killed", &[], &[many, COUNT].concat());
    wait_for("its files", || run("podman", &["exec", "killed", "test", "-e", "/begun"]).status.success().then_some(()));
    let state = format!("/sys/fs/cgroup{}/cgroup.freeze", container.cgroup());
    let is = |wanted: &str| fs::read_to_string(&state).unwrap().trim() == wanted;
    let (ckpt_itself, guard) = (env!("CARGO_BIN_EXE_ckpt"), "ckpt-thaw\0");
    for titles in [&[ckpt_itself][..], &[guard], &[guard, ckpt_itself]] {
        let mut hit = 0;
        for _ in 0..3 {
            let mut ckpt = start_ckpt(&["rootfs", "save", "killed", "-e", text(&archive), "--freeze"]);
            while !is("1") && ckpt.try_wait().unwrap().is_none() {}
            // The guard first: nobody is left then.
            hit += titles.iter().map(|title| kill_all(&[title])).sum::<usize>();
            ckpt.wait().unwrap();
            if titles.len() == 2 {
                // The next run thaws, and goes on.
                save("killed", &archive, &["--freeze"]);
            }
            wait_for("the container to be thawed", || is("0").then_some(()));
            assert!(container.goes_on());
        }
        assert!(hit > 0, "{titles:?} were never met");
    }
    podman(&["pause", "killed"]);
    save("killed", &archive, &["--freeze"]);
    assert!(is("1"), "what somebody else paused stays paused");
    podman(&["unpause", "killed"]);
}

#[test]
#[ignore = "needs podman: cargo xtask test"]
fn btrfs_a_mounted_or_changed_upper_directory_is_refused() {
    let overlay = Overlay::new();
    let merged = overlay.mount("one");
    shell_in(&merged, CHANGE);
    let archive = overlay.path("x.tar");
    save(text(&merged), &archive, &[]);
    let (upper, lower) = (overlay.path("one/upper"), overlay.path("lower"));
    let apply = ["rootfs", "apply", "-i", text(&archive), "--upperdir", text(&upper), "--lowerdir", text(&lower)];
    assert_says(&ckpt_fails(&[&apply[..], &["--replace"]].concat()), &["is mounted", text(&merged), "stop"]);

    // In a mount namespace of somebody else alone, and by another way to the same directory.
    overlay.unmount("one");
    let script = format!(
        "mkdir alias; mount --bind one alias; mount -t overlay -o lowerdir=lower,upperdir=alias/upper,workdir=alias/work o \
         one/merged; touch {}; exec sleep 1000",
        text(&overlay.path("mounted"))
    );
    let mut elsewhere = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "bash", "-ec", &script])
        .current_dir(overlay.folder.path())
        .spawn()
        .unwrap();
    wait_for("the mount", || {
        assert!(elsewhere.try_wait().unwrap().is_none(), "it has failed");
        overlay.path("mounted").exists().then_some(())
    });
    assert_says(&ckpt_fails(&[&apply[..], &["--replace"]].concat()), &["is mounted"]);
    elsewhere.kill().unwrap();
    elsewhere.wait().unwrap();

    let before = describe_tree(&upper);
    assert_says(&ckpt_fails(&apply), &["is not empty", "--replace"]);
    assert_same_tree(&before, &describe_tree(&upper));
    shell_in(&upper, "echo own > own");
    ckpt(&[&apply[..], &["--replace"]].concat());
    assert!(!upper.join("own").exists());
    assert_eq!(fs::read_dir(overlay.path("one")).unwrap().count(), 3, "nothing is left beside it");

    let running = Container::run("running", &[], "sleep 1000");
    assert_says(&ckpt_fails(&["rootfs", "apply", &running.name, "-i", text(&archive), "--replace"]), &["is mounted"]);
}

/// Makes `x.tar` with Python: members of a kind (`tarfile`), a path, and where a link leads.
const HOSTILE: &str = r#"
import sys, tarfile
with tarfile.open("x.tar", "w") as archive:
    for word in sys.argv[1:]:
        kind, path, target = (word.split("|") + [""])[:3]
        member = tarfile.TarInfo(path)
        member.type = {"f": tarfile.REGTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE}[kind]
        member.linkname = target
        archive.addfile(member)
"#;

#[test]
#[ignore = "needs root and file systems: cargo xtask test"]
fn btrfs_hostile_archives_lead_nowhere_else() {
    let overlay = Overlay::new();
    let outside = overlay.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "untouched").unwrap();
    fs::write(overlay.path("hostile.py"), HOSTILE).unwrap();
    let (upper, lower, archive) = (overlay.path("one/upper"), overlay.path("lower"), overlay.path("x.tar"));
    let out = format!("l|out|{}", text(&outside));
    let hard = format!("h|x|{}", text(&outside.join("file")));
    let everything = || describe_tree(overlay.folder.path());
    let cases: &[&[&str]] = &[
        &["f|../outside/new"],
        &["f|d/../../outside/new"],
        &[&out, "f|out/new"],
        &[&out, "f|out/.wh.file"],
        &[&hard],
        &["h|x|../../outside/file"],
        &["f|.wh..."],
        &["f|d/.wh.."],
        &["f|.wh."],
        &["f|../outside/.wh.file"],
        &["f|../outside/.wh..wh..opq"],
        &["f|.wh..wh..opq"],
        &["c|../outside/file"],
    ];
    for members in cases {
        let made = Command::new("python3").arg("hostile.py").args(*members).current_dir(overlay.folder.path()).status();
        assert!(made.unwrap().success());
        let before = everything();
        let said = ckpt_fails(&[
            "rootfs",
            "apply",
            "-i",
            text(&archive),
            "--upperdir",
            text(&upper),
            "--lowerdir",
            text(&lower),
        ]);
        // The time of the folder in which the new directory was begun.
        let changed = lost(&before, &everything());
        assert!(changed.iter().all(|path| path == "one"), "{members:?}: {said}\n{changed:?}");
    }
}
