//! Which saves stay, where they are if nobody says, and a rollback whose memory comes later.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::history::*;
use crate::lab::*;
use serde_json::Value;

/// Has a save of `web` say that it was made at `time`, under a name that ends with `name`; its tags stay.
fn made_at(store: &Saves, save: &Value, time: &str) {
    let path = save["path"].as_str().unwrap();
    let script = format!(
        "mkdir t; tar -C t -xf {path}; sed -i 's/\"created\": \"[^\"]*\"/\"created\": \"{time}\"/' t/ckpt.json
        tar -C t -cf {path} .; rm -r t"
    );
    shell_in(store.folder(), &script);
}

fn sequences(store: &Saves) -> Vec<u64> {
    store.saves("web").iter().map(|save| save["sequence"].as_u64().unwrap()).collect()
}

/// By the rules of restic's `forget`; `retention` has a table of cases.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_prune_keeps_what_its_rules_say() {
    let store = Saves::new();
    let web = Container::run("web", &["--env", "TZ=UTC"], COUNT);
    let times = ["2026-01-01T10:00:00Z", "2026-01-01T10:30:00Z", "2026-01-01T11:00:00Z", "2026-01-02T10:00:00Z"];
    for (number, time) in times.iter().enumerate() {
        let tags: &[&str] = if number == 0 { &["--tag", "release-1"] } else { &[] };
        store.save("web", tags);
        made_at(&store, store.saves("web").last().unwrap(), time);
    }
    store.save("web", &[]);
    assert_eq!(sequences(&store), [1, 2, 3, 4, 5]);
    let rules = ["prune", "web", "--keep-last", "1", "--keep-daily", "2", "--keep-tag", "release-*"];
    // Of the last two days that have any, the newest: today's is the last as well.
    let said = store.ckpt(&[&rules[..], &["--dry-run", "--format", "json"]].concat());
    let report: Value = serde_json::from_str(&said).unwrap();
    let gone = |report: &Value| -> Vec<u64> {
        report["removed"].as_array().unwrap().iter().map(|save| save["sequence"].as_u64().unwrap()).collect()
    };
    assert_eq!(gone(&report), [2, 3]);
    assert_eq!(sequences(&store), [1, 2, 3, 4, 5], "nothing was removed");
    assert_eq!(store.ckpt(&rules).lines().count(), 2);
    assert_eq!(sequences(&store), [1, 4, 5]);
    assert_eq!(store.ckpt(&["prune", "web", "--keep-within", "100y"]), "");
    assert_eq!(store.ckpt(&["prune", "web", "--keep-hourly", "unlimited"]), "");
    assert_eq!(sequences(&store), [1, 4, 5]);
    assert!(web.goes_on());
}

/// Blocks that saves share count once; neither the newest nor what is kept for its tag goes.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_prune_keeps_as_much_as_there_is_room_for() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    for number in 1..=4 {
        // In each save so far it is another file of 8 MB.
        web.exec(&format!("rm -f /srv/data*; head -c 8000000 /dev/urandom > /srv/data{number}; sync"));
        store.save("web", if number == 1 { &["--tag", "kept"] } else { &[] });
    }
    let prune =
        |size: &str| store.ckpt(&["prune", "web", "--keep-tag", "kept", "--keep-last", "4", "--max-size", size]);
    assert_eq!(prune("100M"), "");
    assert_eq!(prune("30M").lines().count(), 1);
    assert_eq!(sequences(&store), [1, 3, 4]);
    assert_eq!(prune("1M").lines().count(), 1);
    assert_eq!(sequences(&store), [1, 4]);
    assert_says(
        &store.says(&["prune", "web", "--keep-tag", "kept", "--keep-last", "4", "--max-size", "1M"]),
        &["occupy more"],
    );
    assert_eq!(sequences(&store), [1, 4]);
    assert!(web.goes_on());
}

/// What is there is removed with this value.
struct There(&'static str);

impl Drop for There {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0);
    }
}

/// The storage is a mount point in the lab or not: the store is where clones from it work.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_without_a_word_saves_are_beside_the_storage_or_where_the_configuration_says() {
    let _places = [There("/var/lib/containers/ckpt"), There("/var/lib/containers/storage/ckpt"), There("/etc/ckpt")];
    let web = Container::run("web", &[], COUNT);
    web.exec("head -c 5000000 /dev/urandom > /srv/data; sync");
    ckpt(&["save", "web", "--reflink", "always"]);
    let listed = |arguments: &[&str]| -> Vec<Value> { serde_json::from_str(&ckpt(arguments)).unwrap() };
    let history = ["history", "web", "--format", "json"];
    let path = listed(&history)[0]["path"].as_str().unwrap().to_owned();
    assert!(path.starts_with("/var/lib/containers/ckpt/web/"), "{path}");
    web.exec("echo two > /srv/mark");
    let id = web.inspect("{{.Id}}");
    assert_eq!(ckpt(&["rollback", "web"]), id);
    assert_eq!(web.exec("ls /srv/mark 2> /dev/null; true"), "");
    assert_eq!(listed(&history).len(), 2);

    // The configuration names another place, and --store a third.
    let elsewhere = Saves::new();
    fs::create_dir("/etc/ckpt").unwrap();
    let configuration = Path::new("/etc/ckpt/ckpt.toml");
    fs::write(configuration, format!("store = \"{}\"\n[retention]\nkeep-last = 1\n", elsewhere.folder().display()))
        .unwrap();
    assert_eq!(listed(&history).len(), 0);
    ckpt(&["save", "web"]);
    ckpt(&["save", "web"]);
    assert_eq!((listed(&history).len(), elsewhere.saves("web").len()), (2, 2));
    ckpt(&["prune", "web"]);
    assert_eq!(listed(&history).len(), 1);
    assert_eq!(Saves::new().saves("web").len(), 0);
    fs::write(configuration, "stores = \"/x\"\n").unwrap();
    // TOML's words have more than one line.
    let said = run(env!("CARGO_BIN_EXE_ckpt"), &["save", "web"]);
    assert!(!said.status.success());
    assert_says(&String::from_utf8(said.stderr).unwrap(), &["/etc/ckpt/ckpt.toml", "unknown field `stores`"]);
    assert!(web.goes_on());
    drop(web);
}

/// Keeps some 60 MB of what nobody could guess, and tells its sum again and again.
const REMEMBER: &str = r#"
    remembered=$(head -c 45000000 /dev/urandom | base64)
    while :; do echo "$remembered" | md5sum > /srv/sum.new; mv /srv/sum.new /srv/sum; sleep 0.1; done"#;

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_memory_comes_later_after_a_rollback() {
    let store = Saves::new();
    let web = Container::run("web", &[], REMEMBER);
    let sum = || {
        web.exec("rm -f /srv/sum");
        wait_for("a sum", || Some(web.exec("cat /srv/sum 2>/dev/null || :")).filter(|sum| !sum.is_empty()))
    };
    let before = sum();
    store.save("web", &[]);
    for _ in 0..2 {
        // The second is saved when the memory of the first is there.
        store.ckpt(&["rollback", "web", "--lazy=always"]);
        assert_eq!(sum(), before);
    }
    // The archive may go: it is read through an open file.
    store.ckpt(&["rollback", "web", "~1", "--lazy=always", "--discard"]);
    for save in store.saves("web") {
        fs::remove_file(save["path"].as_str().unwrap()).unwrap();
    }
    assert_eq!(sum(), before);
}

/// conmon takes no folder that is gone, and works where podman does.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_rollback_goes_well_from_a_folder_that_is_gone() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    store.save("web", &[]);
    let folder = folder();
    let script = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
    let words = ["-c", script, "sh", env!("CARGO_BIN_EXE_ckpt"), "rollback", "web", "--store", text(store.folder())];
    let done = Command::new("sh").args(words).current_dir(folder.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(web.goes_on());
}

/// A file of no archive's, or of no name that is text, is told of, and nobody is waited for at a FIFO.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_strange_files_in_a_history_are_told_of() {
    let store = Saves::new();
    let _web = Container::run("web", &[], COUNT);
    store.save("web", &[]);
    store.save("web", &[]);
    let folder = store.folder().join("web");
    fs::write(folder.join("bad.tar"), "x").unwrap();
    let script = "mv 000001* \"$(printf '\\377.tar')\"; rm .index.json; mkfifo .index.json";
    shell_in(&folder, script);
    let saves = store.saves("web");
    assert!(saves.len() == 2 && saves[0]["path"]["hex"].is_string(), "{saves:?}");
    let said = store.says(&["history", "web"]);
    assert!(said.contains("bad.tar is not in the history: ") && said.contains("truncated"), "{said}");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_save_that_cannot_be_removed_keeps_no_others() {
    let store = Saves::new();
    let _web = Container::run("web", &[], COUNT);
    let saves: Vec<String> = (0..5).map(|_| store.save("web", &[])).collect();
    let folder = store.folder().join("web");
    shell_in(&folder, "chattr +i 000002*");
    let prune = |rule: &str| run(env!("CARGO_BIN_EXE_ckpt"), &store.arguments(&["prune", "web", "--keep-last", rule]));
    let pruned = prune("3");
    let (told, said) = (String::from_utf8(pruned.stdout).unwrap(), String::from_utf8(pruned.stderr).unwrap());
    assert!(told.contains(&saves[0][..8]) && said.contains("000002") && said.contains("immutable"), "{told}{said}");
    assert_eq!(pruned.status.code(), Some(1));
    let removed = run(env!("CARGO_BIN_EXE_ckpt"), &store.arguments(&["rm", "web~4", "web~3"]));
    assert_eq!((removed.status.code(), String::from_utf8(removed.stdout).unwrap().trim()), (Some(1), &saves[2][..]));
    shell_in(&folder, "chattr -i 000002*");
    assert!(prune("2").status.success());
    assert_eq!(store.saves("web").len(), 2);
}
