//! What `ckpt diff` and `ckpt layers` say of real containers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::*;
use serde_json::Value;

const CHANGE: &str = "
    echo more >> /etc/group; rm /etc/passwd; chmod 700 /home; rm -r /srv/tree/folder1
    rm -r /srv/tree/folder2; mkdir /srv/tree/folder2; echo new > /srv/tree/folder2/new
    mkdir -p /srv/deep/er; printf 12345 > /srv/deep/er/five; ln -s five /srv/deep/er/link; mkfifo /srv/fifo
    mv /srv/tree/folder3 /srv/moved; printf 'odd\\nname' > \"$(printf '/srv/odd\\nname')\"";

/// The container writes it all the time.
const LOG: &str = "/var/log/app.log";

/// Letter and sizes of each path, which all are UTF-8.
fn differences(arguments: &[&str]) -> BTreeMap<String, (String, Value, Value)> {
    let mut command = vec!["diff", "--format", "json"];
    command.extend(arguments);
    let list: Vec<Value> = serde_json::from_str(&ckpt(&command)).unwrap();
    let paths: Vec<_> = list.iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
    let line = |line: &Value| (line["change"].as_str().unwrap().into(), line["old_size"].clone(), line["size"].clone());
    let mut map: BTreeMap<_, _> = paths.iter().cloned().zip(list.iter().map(line)).collect();
    assert_eq!(map.len(), list.len(), "no path comes twice");
    let mut sorted: Vec<Vec<&str>> = paths.iter().map(|path| path.split('/').collect()).collect();
    sorted.sort();
    assert_eq!(sorted, paths.iter().map(|path| path.split('/').collect::<Vec<_>>()).collect::<Vec<_>>());
    map.remove(LOG);
    map
}

fn letter(differences: &BTreeMap<String, (String, Value, Value)>, path: &str) -> String {
    differences.get(path).map(|(letter, ..)| letter.clone()).unwrap_or_default()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn nothing_that_podman_lists_is_missing() {
    let container = Container::run("listed", &[], COUNT);
    container.exec(CHANGE);
    let ours = differences(&["listed"]);
    let theirs: Value = serde_json::from_str(&podman(&["diff", "--format", "json", "listed"])).unwrap();
    for (kind, expected) in [("added", "A"), ("changed", "C"), ("deleted", "D")] {
        for path in theirs[kind].as_array().into_iter().flatten().map(|path| path.as_str().unwrap()) {
            let letter = letter(&ours, path);
            // A directory made anew is a deleted one to podman.
            let is_made_anew = expected == "D" && letter == "C" && path == "/srv/tree/folder2";
            assert!(path == LOG || letter == expected || is_made_anew, "podman: {expected} {path}, ours: {letter:?}");
        }
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_container_and_its_archive_say_the_same() {
    let folder = folder();
    let (first, second) = (folder.path().join("first.tar"), folder.path().join("second.tar"));
    let container = Container::run("same", &[], COUNT);
    container.exec(CHANGE);
    let live = differences(&["same"]);
    assert_eq!(letter(&live, "/etc/group"), "C");
    assert_eq!(letter(&live, "/etc/passwd"), "D");
    assert_eq!(letter(&live, "/home"), "C");
    assert_eq!(letter(&live, "/srv/tree/folder2"), "C");
    assert_eq!(letter(&live, "/srv/tree/folder2/new"), "A");
    assert_eq!(letter(&live, "/srv/tree/folder3"), "D");
    assert_eq!(letter(&live, "/srv/moved"), "A");
    assert_eq!(live["/srv/deep/er/five"], ("A".into(), Value::Null, 5.into()));
    assert!(live["/etc/passwd"].1.is_u64());
    ckpt(&["checkpoint", "same", "-R", "-e", text(&first)]);
    let mut archived = differences(&[text(&first)]);
    // Only ever mounted on, by CRIU's dump.
    archived.remove("/tmp");
    assert_eq!(archived, live);

    container
        .exec("printf 123456 > /srv/deep/er/five; rm /srv/fifo; touch /srv/later; rm -r /srv/moved; rm /etc/group");
    ckpt(&["checkpoint", "same", "-R", "-e", text(&second)]);
    let between = differences(&[text(&first), text(&second)]);
    assert_eq!(between["/srv/deep/er/five"], ("C".into(), 5.into(), 6.into()));
    let letters = ["/srv/fifo", "/srv/later", "/srv/moved", "/etc/group"].map(|path| letter(&between, path));
    assert_eq!(letters, ["D", "A", "D", "D"]);
    assert!(!between.contains_key("/home") && !between.contains_key("/srv/tree/folder2/new"), "{between:?}");
    let back = differences(&[text(&second), text(&first)]);
    let letters = ["/srv/fifo", "/srv/later", "/srv/moved", "/etc/group"].map(|path| letter(&back, path));
    assert_eq!(letters, ["A", "D", "A", "A"]);
    let mut now = differences(&[text(&second), "same"]);
    now.remove("/tmp");
    assert!(now.is_empty(), "{now:?}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn paths_and_processes_mean_their_layers() {
    let container = Container::run("located", &[], COUNT);
    container.exec("touch /srv/here");
    let merged = container.inspect("{{.GraphDriver.Data.MergedDir}}");
    let pid = container.inspect("{{.State.Pid}}");
    let by_name = ckpt(&["diff", "located"]);
    assert_eq!(ckpt(&["diff", &merged]), by_name);
    let here = Command::new(env!("CARGO_BIN_EXE_ckpt"))
        .args(["diff", "merged"])
        .current_dir(Path::new(&merged).parent().unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(here.stdout).unwrap().trim_end(), by_name, "a folder needs no slash in its name");
    assert!(by_name.contains("A            0 /srv/here\n"), "{by_name}");
    assert!(ckpt(&["diff", "--pid", &pid, "/"]).contains("/srv/here"));
    let layers: Value = serde_json::from_str(&ckpt(&["layers", "located", "--format", "json"])).unwrap();
    assert_eq!(layers["upperdir"], container.inspect("{{.GraphDriver.Data.UpperDir}}").as_str());
    let lowers: Vec<&str> = layers["lowerdirs"].as_array().unwrap().iter().map(|dir| dir.as_str().unwrap()).collect();
    assert_eq!(lowers.join(":"), container.inspect("{{.GraphDriver.Data.LowerDir}}"));
    assert!(ckpt(&["layers", &merged]).contains("containers-storage"));
    assert!(ckpt_fails(&["diff", "nobody"]).contains("no container \"nobody\""));
    assert!(ckpt_fails(&["layers", "/srv"]).contains("nothing is mounted on /srv"));
}

/// A bind mount shows a part of an overlay: in the host's tree and in the container's, of a file, and of another bind mount.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn bind_mounts_mean_the_part_that_they_show() {
    let container = Container::run("bound", &[], COUNT);
    container.exec(CHANGE);
    container.exec("mkdir -p /srv/etc; echo a name like podmans own > /srv/etc/hosts");
    let merged = container.inspect("{{.GraphDriver.Data.MergedDir}}");
    let folder = folder();
    let bind = |from: &str, to: &Path| succeed("mount", &["--bind", from, text(to)]);
    let (srv, nested, file) = (folder.path().join("srv"), folder.path().join("nested"), folder.path().join("file"));
    fs::create_dir(&srv).unwrap();
    fs::create_dir(&nested).unwrap();
    fs::write(&file, "").unwrap();
    bind(&format!("{merged}/srv"), &srv);
    bind(text(&srv.join("tree")), &nested);
    bind(&format!("{merged}/etc/group"), &file);

    let whole = differences(&["bound"]);
    let below = |part: &str| -> BTreeMap<_, _> {
        let below = |path: &String| path.strip_prefix(part).filter(|rest| rest.starts_with('/')).map(str::to_owned);
        whole.iter().filter_map(|(path, line)| Some((below(path)?, line.clone()))).collect()
    };
    assert_eq!(letter(&below("/srv"), "/etc/hosts"), "A");
    assert_eq!(differences(&[text(&srv)]), below("/srv"));
    assert_eq!(letter(&below("/srv/tree"), "/folder1"), "D");
    assert_eq!(differences(&[text(&nested)]), below("/srv/tree"));
    assert_eq!(differences(&[text(&srv), text(&srv)]), BTreeMap::new());
    assert!(ckpt_fails(&["diff", text(&srv), "bound"]).contains("different parts"));

    let pid = container.inspect("{{.State.Pid}}");
    succeed("nsenter", &["--target", &pid, "--mount", "/bin/busybox", "mount", "--bind", "/srv/tree", "/home"]);
    assert_eq!(differences(&["--pid", &pid, "/home"]), below("/srv/tree"));

    let layers =
        |path: &Path| -> Value { serde_json::from_str(&ckpt(&["layers", text(path), "--format", "json"])).unwrap() };
    let upper = container.inspect("{{.GraphDriver.Data.UpperDir}}");
    assert_eq!(layers(&nested)["part"], "srv/tree");
    assert_eq!(layers(&nested)["upperdir"], format!("{upper}/srv/tree"));
    assert_eq!(layers(&nested)["lowerdirs"].as_array().unwrap().len(), 1);
    // Made anew, so that nothing of the image shows.
    bind(&format!("{merged}/srv/tree/folder2"), &nested);
    assert_eq!(layers(&nested)["lowerdirs"], Value::Array(Vec::new()));
    assert_eq!(differences(&[text(&nested)]), below("/srv/tree/folder2"));
    for mounted in [&nested, &nested, &srv] {
        succeed("umount", &[text(mounted)]);
    }

    // A file is an archive, unless its mount is asked for.
    let own = std::process::id().to_string();
    let of_file: Vec<Value> =
        serde_json::from_str(&ckpt(&["diff", "--format", "json", "--pid", &own, text(&file)])).unwrap_or_default();
    succeed("umount", &[text(&file)]);
    assert_eq!((of_file.len(), &of_file[0]["path"], &of_file[0]["change"]), (1, &"/".into(), &"C".into()));
}

/// A program whose effective user is root while a user started it, and one with capabilities alone: whether a file is
/// there must be asked with the effective identity, access(2) would ask with the real one.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn the_effective_identity_counts() {
    let container = Container::run("set-id", &[], COUNT);
    container.exec(CHANGE);
    let without_log = |text: &str| text.lines().filter(|line| !line.contains(LOG)).collect::<Vec<_>>().join("\n");
    let expected = without_log(&ckpt(&["diff", "set-id"]));
    let folder = folder();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let copy = folder.path().join("ckpt");
    fs::copy(env!("CARGO_BIN_EXE_ckpt"), &copy).unwrap();
    let as_user = || {
        let output = Command::new("setpriv")
            .args(["--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=+all"])
            .arg(&copy)
            .args(["diff", "set-id"])
            .output()
            .unwrap();
        (output.status.success(), without_log(&String::from_utf8_lossy(&output.stdout)))
    };
    succeed("chmod", &["755", text(&copy)]);
    assert!(!as_user().0, "a user alone must not read the storage");
    succeed("chmod", &["4755", text(&copy)]);
    assert_eq!(as_user(), (true, expected.clone()));
    succeed("chmod", &["755", text(&copy)]);
    succeed("setcap", &["cap_dac_read_search,cap_sys_admin,cap_fowner+ep", text(&copy)]);
    assert_eq!(as_user(), (true, expected));
}
