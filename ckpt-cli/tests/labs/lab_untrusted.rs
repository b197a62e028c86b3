//! Archives from somebody else: whose they are, and what they would do on the host.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::lab::*;
use rustix::fs::{XattrFlags, setxattr};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The archive of a container that is there no more.
fn archive_of(name: &str) -> (TempDir, PathBuf) {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let original = Container::run(name, &[], COUNT);
    original.exec("echo changed > /srv/file");
    original.checkpoint_and_remove(&archive);
    (folder, archive)
}

fn containers() -> String {
    podman(&["ps", "-a", "--format", "{{.Names}}"])
}

/// An access ACL that lets user 1234 write (acl(5)): version 2, then tag, permissions and ID of each entry.
fn acl_with_a_writer() -> Vec<u8> {
    let entries = [(1_u16, 6_u16, u32::MAX), (2, 6, 1234), (4, 0, u32::MAX), (16, 6, u32::MAX), (32, 0, u32::MAX)];
    let bytes = entries.iter().flat_map(|(tag, permissions, id)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    });
    2_u32.to_le_bytes().into_iter().chain(bytes).collect()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_archives_of_others_need_trust() {
    let (_folder, archive) = archive_of("owned");
    let set = |uid: u32, mode: u32| {
        chown(&archive, Some(uid), None).unwrap();
        fs::set_permissions(&archive, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (case, uid, mode, words) in [
        ("somebody else's", 1234, 0o600, "belongs to user 1234"),
        ("writable by the group", 0, 0o620, "can be written by others (mode 620)"),
        ("writable by all", 0, 0o602, "can be written by others (mode 602)"),
    ] {
        set(uid, mode);
        let said = ckpt_fails(&["restore", "-i", text(&archive)]);
        assert!(said.contains(words) && said.contains("--trust"), "{case}: {said}");
        assert_eq!(containers(), "", "{case}");
    }
    set(0, 0o600);
    setxattr(&archive, "system.posix_acl_access", &acl_with_a_writer(), XattrFlags::empty()).unwrap();
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert!(said.contains("can be written by others"), "writable by an ACL: {said}");
    rustix::fs::removexattr(&archive, "system.posix_acl_access").unwrap();
    // A link of root's does not make it root's.
    set(1234, 0o600);
    let link = archive.with_file_name("link");
    std::os::unix::fs::symlink(&archive, &link).unwrap();
    let said = ckpt_fails(&["restore", "-i", text(&link)]);
    assert!(said.contains("belongs to user 1234"), "behind a link: {said}");
    // What an archive builds on counts as much.
    let own = archive.with_file_name("own");
    fs::copy(&archive, &own).unwrap();
    let said = ckpt_fails(&["restore", "-i", text(&own), "--import-previous", text(&archive)]);
    assert!(said.contains("belongs to user 1234"), "an earlier one: {said}");
    // Nobody else than who called sudo.
    let as_sudoer = |uid: &str| {
        run("env", &[&format!("SUDO_UID={uid}"), env!("CARGO_BIN_EXE_ckpt"), "restore", "-i", text(&archive)])
    };
    assert!(!as_sudoer("4321").status.success());
    let restored = Container::named("owned");
    assert!(as_sudoer("1234").status.success());
    assert!(restored.is_running());
    restored.remove();
    set(1234, 0o666);
    ckpt(&["restore", "-i", text(&archive), "--trust"]);
    assert_eq!(restored.exec("cat /srv/file"), "changed");
}

/// Its owner could put it in another user's way, and have it lead to a pipe of his, or to a file of root's that a container
/// fills.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_links_of_others_lead_no_restore_away() {
    let (folder, archive) = archive_of("linked");
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let link = |name: &str, target: &str, owner: u32| {
        let link = theirs.join(name);
        symlink(target, &link).unwrap();
        lchown(&link, Some(owner), None).unwrap();
        text(&link).to_owned()
    };
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = format!("/proc/{}/fd/{}", std::process::id(), reader.as_raw_fd());
    let file = link("web.tar", text(&archive), 1234);
    let within = link("folder", text(folder.path()), 1234) + "/x.tar";
    for (path, words) in [
        (&file, "is a symbolic link of user 1234"),
        (&within, "is a symbolic link of user 1234"),
        (&link("pipe", &pipe, 1234), "is a symbolic link of user 1234"),
        (&link("roots", &pipe, 0), "No such file"),
    ] {
        let said = ckpt_fails(&["restore", "-i", path]);
        assert!(said.contains(words), "{path}: {said}");
        assert_eq!(containers(), "", "{path}");
    }
    let restored = Container::named("linked");
    let own = link("own", "web.tar", 0);
    assert!(ckpt_fails(&["restore", "-i", &own]).contains("--trust"));
    ckpt(&["restore", "-i", &own, "--trust"]);
    assert!(restored.is_running());
    restored.remove();
    ckpt(&["restore", "-i", &link("roots.tar", text(&archive), 0)]);
    assert!(restored.is_running());
}

/// Makes the image `localhost/base` of busybox and one more file; gives its ID.
fn import_base(folder: &Path, content: &str) -> String {
    let root = folder.join(content);
    add_busybox(&root, &["busybox"]);
    fs::write(root.join(content), content).unwrap();
    import_image(&root, "localhost/base")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_another_image_is_taken_only_if_asked_for() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let first = import_base(folder.path(), "first");
    // A sleep that is interrupted by a checkpoint ends.
    let script = "while :; do /busybox sleep 1; done";
    let rebased = Container::run_image("rebased", &[], "localhost/base", &["/busybox", "sh", "-c", script]);
    podman(&["exec", "rebased", "/busybox", "sh", "-c", "/busybox echo changed > /changed; /busybox rm /first"]);
    rebased.checkpoint_and_remove(&archive);
    let second = import_base(folder.path(), "second");
    let ls = || podman(&["exec", "rebased", "/busybox", "ls", "/"]);
    // The tag has moved on, but the image of the recorded ID is still here: podman takes that.
    ckpt(&["restore", "-i", text(&archive)]);
    assert_eq!(rebased.inspect("{{.Image}}"), first);
    assert!(ls().contains("changed") && !ls().contains("second"), "{}", ls());
    rebased.remove();
    podman(&["rmi", &first]);
    let said = ckpt_fails(&["restore", "-i", text(&archive)]);
    assert!(said.contains("--allow-image-mismatch") && said.contains(&second[..12]), "{said}");
    assert_eq!(containers(), "");
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["restore", "-i", text(&archive), "--allow-image-mismatch"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Warning: localhost/base:latest is ") && said.contains(&first), "{said}");
    assert_eq!(rebased.inspect("{{.Image}}"), second);
    assert!(ls().contains("changed") && ls().contains("second") && !ls().contains("first"), "{}", ls());
    rebased.remove();
    podman(&["rmi", "localhost/base"]);
}

/// What podman 5.4.2 alone does on the host when it is given such an archive, for as long as `victim` is not refused:
/// writes or removes it, runs it, or takes away what is mounted there.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_archives_that_act_on_the_host_are_refused() {
    type Edit = fn(&mut Value, &mut Value, &str);
    let cases: [(&str, Edit, &str); 17] = [
        ("conmonPidFile", |config, _, victim| config["conmonPidFile"] = json!(victim), "written or removed"),
        ("pid_file", |config, _, victim| config["pid_file"] = json!(victim), "written or removed"),
        (
            "PID_FILE, which Go takes for pid_file",
            |config, _, victim| {
                config.as_object_mut().unwrap().remove("pid_file");
                config["PID_FILE"] = json!(victim);
            },
            "written or removed",
        ),
        ("pid_file in two spellings", |config, _, victim| config["PID_FILE"] = json!(victim), "duplicate field"),
        ("health log", |config, _, victim| config["healthLogDestination"] = json!(victim), "written or removed"),
        ("runtime", |config, _, victim| config["runtime"] = json!(victim), "run as root"),
        ("mounts", |config, _, victim| config["mounts"] = json!([victim]), "never writes"),
        ("directory for a root", |config, _, victim| config["rootfs"] = json!(victim), "--rootfs"),
        ("time zone", |config, _, victim| config["timezone"] = json!(format!("../../..{victim}")), "never writes"),
        ("cgroup parent", |config, _, _| config["cgroupParent"] = json!("/../../escaped"), "never writes"),
        (
            "volume options",
            |config, _, victim| {
                let options = json!(["volume-opt=o=bind", format!("volume-opt=device={victim}"), "rbind"]);
                config["namedVolumes"] = json!([{"volumeName": "v", "dest": "/v", "options": options}]);
            },
            "never writes",
        ),
        (
            "volume's name",
            |config, _, _| config["namedVolumes"] = json!([{"volumeName": "../../x", "dest": "/v"}]),
            "no name that podman gives",
        ),
        (
            "hook",
            |_, spec, victim| {
                spec["hooks"] = json!({"poststop": [{"path": "/bin/touch", "args": ["touch", victim]}]});
            },
            "run as root",
        ),
        ("CRIU configuration", |_, spec, victim| spec["annotations"]["org.criu.config"] = json!(victim), "run as root"),
        (
            "ID file",
            |_, spec, victim| spec["annotations"]["io.podman.annotations.cid-file"] = json!(victim),
            "written or removed",
        ),
        (
            "output of hooks",
            |_, spec, victim| spec["annotations"]["run.oci.hooks.stdout"] = json!(victim),
            "written or removed",
        ),
        (
            "mount namespace",
            |_, spec, _| {
                let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
                let mount = namespaces.iter_mut().find(|namespace| namespace["type"] == "mount").unwrap();
                mount["path"] = json!("/proc/1/ns/mnt");
            },
            "never writes",
        ),
    ];
    let (folder, archive) = archive_of("acting");
    let victim = folder.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for (name, edit, words) in cases {
        let hostile = edited(&archive, |config, spec| edit(config, spec, text(&victim)));
        let said = ckpt_fails(&["restore", "-i", text(&hostile)]);
        assert!(said.contains(words), "{name}: {said}");
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "{name}");
        assert_eq!(containers(), "", "{name}");
    }
    // With --trust podman does what the archive says: the refusals above are for real.
    let written = folder.path().join("conmon.pid");
    let hostile = edited(&archive, |config, _| {
        config["ConmonPIDFile"] = config["conmonPidFile"].take();
        // podman before 4 ran it at the container's end.
        config["exitCommand"] = json!(["/bin/rm", text(&victim)]);
    });
    ckpt(&["restore", "-i", text(&hostile)]);
    let restored = Container::named("acting");
    restored.remove();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    let hostile = edited(&archive, |config, _| config["conmonPidFile"] = json!(written));
    ckpt(&["restore", "-i", text(&hostile), "--trust"]);
    assert!(fs::read_to_string(&written).unwrap().trim().parse::<u32>().is_ok());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_inspect_shows_what_an_archive_may() {
    let (folder, archive) = archive_of("harmless");
    let said = ckpt(&["inspect", text(&archive)]);
    assert!(said.contains("nothing beyond an ordinary container of podman"), "{said}");
    let parsed: Value = serde_json::from_str(&ckpt(&["inspect", "--format", "json", text(&archive)])).unwrap();
    assert_eq!(parsed["powers"], json!([]));

    let host = folder.path().join("host");
    fs::create_dir(&host).unwrap();
    let mount = format!("{}:/mnt:ro", host.display());
    let options = ["-v", &mount, "-v", "may-volume:/data", "--device", "/dev/null:/dev/odd", "--cap-add", "SYS_ADMIN"];
    let more = ["--security-opt", "seccomp=unconfined", "--sysctl", "net.core.somaxconn=100", "-p", "8123:80"];
    let last = ["--ulimit", "core=0:0", "--uts", "host", "--annotation", "run.oci.keep_original_groups=1"];
    let volume = Volume::named("may-volume");
    let special = Container::run("special", &[&options[..], &more, &last].concat(), COUNT);
    ckpt(&["checkpoint", "special", "-e", text(&archive)]);
    let parsed: Value = serde_json::from_str(&ckpt(&["inspect", "--format", "json", text(&archive)])).unwrap();
    let powers = parsed["powers"].as_array().unwrap();
    let shown = |expected: Value| {
        let fields = expected.as_object().unwrap();
        let is_it = |power: &&Value| fields.iter().all(|(name, value)| power[name] == *value);
        assert!(powers.iter().any(|power| is_it(&power)), "{expected} is not among {powers:#?}");
    };
    shown(json!({"kind": "host-mount", "by": "spec.dump", "source": host, "destination": "/mnt", "read_only": true}));
    shown(json!({"kind": "device", "path": "/dev/odd", "number": "c 1:3"}));
    shown(json!({"kind": "capabilities", "names": ["CAP_SYS_ADMIN"]}));
    shown(json!({"kind": "unconfined", "by": "spec.dump", "missing": "seccomp filter"}));
    shown(json!({"kind": "sysctl", "name": "net.core.somaxconn", "value": "100"}));
    shown(json!({"kind": "port", "by": "config.dump", "port": "8123:80/tcp"}));
    shown(json!({"kind": "rlimit", "name": "RLIMIT_CORE", "soft": 0, "hard": 0}));
    shown(json!({"kind": "namespace", "namespace": "uts", "of": "the host"}));
    shown(json!({"kind": "option", "name": "run.oci.keep_original_groups"}));
    assert_eq!(powers.len(), 9, "{powers:#?}");
    special.remove();
    volume.remove();
    // All that is honest: no --trust is needed.
    ckpt(&["restore", "-i", text(&archive)]);
    assert!(special.is_running());
    // An escape sequence in a name does not reach the terminal.
    let hostile = edited(&archive, |_, spec| spec["mounts"][0]["type"] = json!("\u{1b}[2Jfake"));
    assert!(!ckpt(&["inspect", text(&hostile)]).contains('\u{1b}'));
}

/// Adds the file `m` to the archive under another name.
fn named(name: &str) -> String {
    format!("cp ../x.tar h.tar; tar -rPf h.tar --transform 's|^m$|{name}|S' m")
}

/// Unpacks the archive, runs `script` beside it, and packs it again.
fn repacked(script: &str) -> String {
    format!("mkdir y; tar -C y -xf ../x.tar; {script}; tar -C y -cf h.tar .")
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_members_that_climb_or_lie_are_refused() {
    let (folder, _archive) = archive_of("climbing");
    let other = Container::run("other", &[], COUNT);
    let victim = Path::new("/mnt/victim");
    fs::write(victim, "untouched").unwrap();
    let foreign = "which no checkpoint has";
    let shm = |make: &str| repacked(&format!("mkdir s; {make}"));
    let shm_member = |name: &str| format!("tar -rPf y/devshm-checkpoint.tar --transform 's|^m$|{name}|S' m");
    let first_link = "ln -s / s/esc; tar -C s -cf y/devshm-checkpoint.tar esc";
    let cases: [(&str, String, &str); 22] = [
        ("image above the images", named("checkpoint/../../../../../../../mnt/victim"), foreign),
        ("image at the root", named("/checkpoint/cgroup.img"), foreign),
        ("image with a dot", named("checkpoint/./cgroup.img"), foreign),
        ("image that is a symbolic link", repacked("ln -sf /mnt/victim y/checkpoint/cgroup.img"), foreign),
        ("image that is a hard link", repacked("ln y/config.dump y/checkpoint/hard.img"), foreign),
        ("image that is a device", repacked("mknod y/checkpoint/dev.img c 1 3"), foreign),
        ("image that is a FIFO", repacked("mkfifo y/checkpoint/fifo.img"), foreign),
        ("image directory that is a link", repacked("rm -r y/checkpoint; ln -s /mnt y/checkpoint"), foreign),
        ("log that is a link", repacked("ln -sf /mnt/victim y/ctr.log"), foreign),
        ("network status that is a link", repacked("ln -sf /mnt/victim y/network.status"), foreign),
        ("volume with a path for a name", named("volumes/../../x.tar"), foreign),
        (
            "shm member behind a link",
            shm(&format!("{first_link}; {}", shm_member("esc/mnt/victim"))),
            "out of /dev/shm",
        ),
        ("shm member above", shm(&shm_member("../../victim")), "out of /dev/shm"),
        ("shm member at the root", shm(&shm_member("/mnt/victim")), "out of /dev/shm"),
        ("deletion above", repacked(r#"echo '["/../../mnt/victim"]' > y/deleted.files"#), "not a plain path"),
        ("deletions that are none", repacked(r#"echo '{"a":1}' > y/deleted.files"#), "not understood"),
        (
            "huge configuration",
            repacked("head -c 5000000 /dev/zero | tr '\\0' ' ' >> y/config.dump"),
            "no container needs",
        ),
        ("deep configuration", repacked("head -c 100000 /dev/zero | tr '\\0' '[' > y/config.dump"), "not understood"),
        ("specification that is none", repacked("echo 7 > y/spec.dump"), "not understood"),
        (
            "files that are more than there is of them",
            repacked("head -c 3000000 /dev/zero > m; tar -cf y/rootfs-diff.tar m; truncate -s 8192 y/rootfs-diff.tar"),
            "truncated",
        ),
        (
            "shm that is more than there is of it",
            repacked(
                "head -c 3000000 /dev/zero > m; tar -cf y/devshm-checkpoint.tar m; truncate -s 8192 y/devshm-checkpoint.tar",
            ),
            "truncated",
        ),
        (
            "the ID of another container",
            repacked(&format!(
                "sed -i 's/^  \"id\": \"[0-9a-f]*\"/  \"id\": \"{}\"/' y/config.dump",
                other.inspect("{{.Id}}")
            )),
            "in use",
        ),
    ];
    for (name, script, words) in cases {
        let made = folder.path().join("made");
        fs::create_dir(&made).unwrap();
        shell_in(&made, &format!("echo climbed > m; {script}"));
        let said = ckpt_fails(&["restore", "-i", text(&made.join("h.tar"))]);
        assert!(said.contains(words), "{name}: {said}");
        assert_eq!(fs::read_to_string(victim).unwrap(), "untouched", "{name}");
        assert_eq!(containers(), "other", "{name}");
        fs::remove_dir_all(&made).unwrap();
    }
    fs::remove_file(victim).unwrap();
    assert!(other.is_running());
    // The archive itself, which all of them were made of, is well; so is a /dev/shm with links.
    let script =
        "mkdir y s; tar -C y -xf x.tar; echo kept > s/f; ln -s f s/l; ln s/f s/h; mkdir s/d; echo deep > s/d/f";
    let pack = "tar -C s -cf y/devshm-checkpoint.tar .; tar -C y -cf h.tar .";
    shell_in(folder.path(), &format!("{script}; {pack}"));
    ckpt(&["restore", "-i", text(&folder.path().join("h.tar"))]);
    let restored = Container::named("climbing");
    assert_eq!(restored.exec("cat /dev/shm/l /dev/shm/h /dev/shm/d/f"), "kept\nkept\ndeep");
}
