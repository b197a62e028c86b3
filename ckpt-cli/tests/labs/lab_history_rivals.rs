//! Several who work on one history at once, or are cut off over it.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::history::*;
use crate::kill::{Dice, Evidence};
use crate::lab::*;

/// IDs of the saves.
fn ids(store: &Saves) -> Vec<String> {
    store.saves("web").iter().map(|save| save["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn savers_a_pruner_and_a_restorer_do_not_disturb_each_other() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    store.save("web", &["-t", "held"]);
    let (copy, mut saved) = (Container::named("web-copy"), BTreeSet::new());
    scope(|threads| {
        let savers: Vec<_> =
            (0..2).map(|_| threads.spawn(|| (0..2).map(|_| store.save("web", &[])).collect::<Vec<_>>())).collect();
        let pruner = threads.spawn(|| (0..4).for_each(|_| drop(store.ckpt(&["prune", "web", "--keep-last", "2"]))));
        // What it begins with is there to its end, unless it is gone before.
        let restorer = threads.spawn(|| store.ckpt(&["restore", "-i", "web~1", "--name", "web-copy"]));
        savers.into_iter().for_each(|saver| saved.extend(saver.join().unwrap()));
        pruner.join().unwrap();
        restorer.join().unwrap();
    });
    assert_eq!(saved.len(), 4);
    store.ckpt(&["prune", "web", "--keep-last", "2"]);
    let left = store.saves("web");
    assert_eq!(left.iter().map(|save| save["sequence"].as_u64()).collect::<Vec<_>>(), [Some(4), Some(5)]);
    assert!(web.goes_on() && copy.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_what_is_read_is_not_removed() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    let (first, second) = (store.save("web", &[]), store.save("web", &[]));
    let path = store.saves("web")[0]["path"].as_str().unwrap().to_owned();
    let reader = fs::File::open(&path).unwrap();
    rustix::fs::flock(&reader, rustix::fs::FlockOperation::LockShared).unwrap();
    let arguments = store.arguments(&["prune", "web", "--keep-last", "1"]);
    let pruned = run(env!("CARGO_BIN_EXE_ckpt"), &arguments);
    assert!(pruned.status.success() && pruned.stdout.is_empty());
    assert_says(&String::from_utf8(pruned.stderr).unwrap(), &[&first, "is in use, and stays"]);
    assert_says(&store.fails(&["rm", &format!("web@{first}")]), &["is in use"]);
    assert_eq!(ids(&store), [first.clone(), second.clone()]);
    drop(reader);
    assert!(store.ckpt(&["prune", "web", "--keep-last", "1", "--dry-run"]).contains("would be removed"));
    assert_eq!(ids(&store), [first, second.clone()]);
    assert!(store.ckpt(&["prune", "web", "--keep-last", "1"]).contains(" removed"));
    assert_eq!(ids(&store), std::slice::from_ref(&second));
    assert_says(&store.fails(&["prune", "web", "--keep-tag", "none"]), &["keep no save of web at all"]);
    store.ckpt(&["prune", "web"]);
    store.ckpt(&["prune", "web", "--max-size", "1"]);
    assert_eq!(ids(&store), [second], "the newest stays");
    assert!(web.goes_on());
}

/// Nothing of the store can be lost for want of space, and neither can the container.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_full_disk_costs_neither_the_container_nor_a_save() {
    let place = folder();
    let small = Mounted::ext4(&place.path().join("small.img"), 48 << 20);
    let store = text(small.path()).to_owned() + "/saves";
    let script = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ready; while :; do sleep 1; done";
    let web = Container::run("web", &[], script);
    wait_for("its memory", || podman(&["logs", "web"]).contains("ready").then_some(()));
    let save = ["save", "web", "--store", &store];
    ckpt(&save);
    let first = ckpt(&["history", "web", "--store", &store, "--format", "json"]);
    assert_says(&ckpt_fails(&save), &["the archive needs some", "are free there", "was not touched"]);
    assert_says(&ckpt_fails(&["rollback", "web", "--store", &store]), &["the present state cannot be saved"]);
    assert!(web.is_running());
    let left = ckpt(&["history", "web", "--store", &store, "--format", "json"]);
    assert_eq!(left, first);
    ckpt(&["verify", "web~1", "--store", &store]);
    drop((web, small));
}

/// Kills at any moment: no archive is damaged, nothing half-made has a name, and the container runs or comes back.
#[test]
#[ignore = "needs podman and CRIU, and minutes: cargo xtask test --long"]
fn long_btrfs_kills_cost_neither_saves_nor_the_container() {
    let _evidence = Evidence;
    let mut dice = Dice::thrown();
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    store.save("web", &["-t", "kept"]);
    store.save("web", &[]);
    let mut killed = 0;
    while killed < 100 {
        // Where that of all is without memory, a rollback to it is right to leave the container stopped.
        let newest = newest_with_memory(&store)["id"].as_str().unwrap().to_owned();
        let arguments = match dice.below(3) {
            0 => store.arguments(&["save", "web"]),
            1 => store.arguments(&["rollback", "web", &newest]),
            _ => store.arguments(&["prune", "web", "--keep-last", "3", "--keep-tag", "*"]),
        };
        let longest = if arguments[0] == "prune" { 60_000 } else { 2_500_000 };
        let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"));
        let mut ckpt = ckpt.args(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_micros(dice.below(longest)));
        ckpt.kill().unwrap();
        killed += usize::from(ckpt.wait().unwrap().code().is_none());
        comes_back(&store, &web, arguments[0]);
        for save in store.saves("web") {
            store.ckpt(&["verify", save["path"].as_str().unwrap()]);
        }
        assert!(store.saves("web").len() >= 2);
        let names =
            fs::read_dir(store.of("web")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let strange: Vec<_> =
            names.filter(|name| !name.ends_with(".tar") && name != ".lock" && name != ".index.json").collect();
        assert!(strange.iter().all(|name| name.ends_with(".partial")), "{strange:?}");
        store.ckpt(&["prune", "web", "--keep-last", "3", "--keep-tag", "*"]);
    }
    web.remove();
    podman(&["container", "restore", "--import", newest_with_memory(&store)["path"].as_str().unwrap()]);
    assert!(web.goes_on());
}

/// The next run puts right what the dead one left, and says what else is to be done; that is done then.
fn comes_back(store: &Saves, web: &Container, killed: &str) {
    let runs =
        || run("podman", &["container", "inspect", "--format", "{{.State.Status}}", "web"]).stdout == b"running\n";
    let next = run(env!("CARGO_BIN_EXE_ckpt"), &store.arguments(&["save", "web"]));
    if !runs() {
        let said = String::from_utf8(next.stderr).unwrap();
        let state = run("podman", &["container", "inspect", "--format", "{{json .State}}", "web"]);
        let saved = store.saves("web").pop().unwrap();
        assert!(
            said.contains("a rollback of web was killed"),
            "it is missing, and nobody says so: {said}\nafter {killed}: {state:?}\n{saved}"
        );
        store.ckpt(&["rollback", "web", newest_with_memory(store)["id"].as_str().unwrap(), "--discard"]);
    }
    assert!(web.goes_on());
}

/// The newest of all may be one of the container as a killed rollback left it: stopped.
fn newest_with_memory(store: &Saves) -> serde_json::Value {
    let saves = store.saves("web");
    saves.into_iter().rev().find(|save| save["memory"] == "whole").unwrap()
}
