//! Saves of a container, and the way back to them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::history::*;
use crate::lab::*;

/// What stays the same, whatever the container goes back to.
const IDENTITY: &str = "{{.Id}} {{.Name}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}";

/// A file of the container's moment.
fn mark(container: &Container, mark: &str) {
    container.exec(&format!(
        "mkdir -p /marks; echo {mark} > /marks/mark; head -c 3000000 /dev/urandom > /marks/of-{mark}; sync"
    ));
}

/// Files and memory are those of `mark`, and the count goes on from `numbers`.
fn assert_is(container: &Container, mark: &str, numbers: usize) {
    assert_eq!(container.exec("cat /marks/mark; ls /marks"), format!("{mark}\nmark\nof-{mark}"));
    let going_on = container.wait_for_numbers(numbers + 3);
    assert_consecutive(&going_on);
}

fn a_container_goes_back_and_forth(runtime: &str) {
    let store = Saves::new();
    let web = Container::run("web", &["--runtime", runtime, "-p", "18085:80"], COUNT);
    let identity = web.inspect(IDENTITY);
    mark(&web, "one");
    let one = store.save("web", &["--tag", "one", "--note", "a line\nand \u{1b}[31mred"]);
    let at_one = web.numbers().len();
    web.exec("rm /marks/of-one");
    mark(&web, "two");
    web.wait_for_numbers(at_one + 5);
    store.save("web", &[]);

    // What it was is saved as it is stopped, so that nothing is lost.
    assert_eq!(store.ckpt(&["rollback", "web", "one"]), web.inspect("{{.Id}}"));
    assert_eq!(web.inspect(IDENTITY), identity);
    assert_is(&web, "one", at_one);
    let before = store.saves("web");
    assert_eq!(before.len(), 3);
    assert_eq!((&before[2]["name"], &before[0]["id"]), (&"web~1".into(), &one.clone().into()));
    // A second rollback undoes the first, and a third the second.
    store.ckpt(&["rollback", "web"]);
    assert_is(&web, "two", at_one + 5);
    store.ckpt(&["rollback", "web"]);
    assert_is(&web, "one", at_one);
    assert_eq!(web.inspect(IDENTITY), identity);

    let saves = store.saves("web");
    assert_eq!(saves.len(), 5);
    assert_eq!(saves[0]["note"], "a line\nand \u{1b}[31mred");
    let table = store.ckpt(&["history", "web"]);
    assert!(!table.contains('\u{1b}') && table.lines().count() == 6, "{table}");
    let chart = store.ckpt(&["history", "web", "--chart"]);
    let begins: Vec<&str> = chart.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(begins[..6], ["web", "~5", "~4", "~3", "~2", "~1"], "{chart}");
    assert!(chart.lines().all(|line| line.chars().count() <= 60 && !line.contains('\u{1b}')), "{chart}");
    for save in &saves {
        assert_eq!(mode_of(save["path"].as_str().unwrap()), 0o600);
        store.ckpt(&["verify", save["path"].as_str().unwrap()]);
    }
    assert_eq!((mode_of(text(store.folder())), mode_of(text(&store.of("web")))), (0o700, 0o700));
}

fn mode_of(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_container_goes_back_and_forth_runc() {
    a_container_goes_back_and_forth("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_container_goes_back_and_forth_crun() {
    a_container_goes_back_and_forth("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_stock_podman_restores_each_save_alone() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    for name in ["one", "two"] {
        mark(&web, name);
        store.save("web", &["-t", name]);
        web.exec("rm /marks/*");
    }
    web.remove();
    let two = store.saves("web")[1]["path"].as_str().unwrap().to_owned();
    store.ckpt(&["rm", "web@one"]);
    podman(&["container", "restore", "--import", &two]);
    assert_is(&web, "two", 3);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_saves_are_named_wherever_an_archive_is() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    mark(&web, "one");
    store.save("web", &["-t", "one"]);
    mark(&web, "two");
    store.save("web", &[]);
    web.exec("echo three > /marks/mark");

    let copy = Container::named("web-copy");
    store.ckpt(&["restore", "-i", "web~2", "--name", "web-copy"]);
    assert_is(&copy, "one", 1);
    let copies = [Container::named("web-1"), Container::named("web-2")];
    store.ckpt(&["fork", "web~1", "--count", "2"]);
    store.ckpt(&["restore", "-i", "web@one", "--count", "1", "--name", "web-o{n}"]);
    let other = Container::named("web-o1");
    assert_eq!((copies[1].exec("cat /marks/mark"), other.exec("cat /marks/mark")), ("two".into(), "one".into()));
    drop((copy, copies, other));

    let inspected: serde_json::Value =
        serde_json::from_str(&store.ckpt(&["inspect", "web~1", "--format", "json"])).unwrap();
    assert_eq!((&inspected["name"], inspected["manifest"]["save"]["sequence"].as_u64()), (&"web".into(), Some(2)));
    store.ckpt(&["verify", "--aligned", "web@one"]);
    let folder = folder();
    let (mark, aligned) = (folder.path().join("rootfs-diff.tar"), folder.path().join("aligned.tar"));
    store.ckpt(&["unpack", "web@one", "-C", text(folder.path()), "rootfs-diff.tar"]);
    assert!(succeed("tar", &["-tf", text(&mark)]).contains("marks/mark"));
    store.ckpt(&["align", "web~", text(&aligned)]);
    ckpt(&["verify", text(&aligned)]);
    assert!(store.ckpt(&["dedup", "web~2", "web~1"]).contains("shared with"));
    assert!(store.ckpt(&["ls", "web~"]).contains("checkpoint/inventory.img"));
    let paths =
        |diff: &str| diff.lines().map(|line| line.split_whitespace().last().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(paths(&store.ckpt(&["diff", "web~2", "web~1"])).contains(&"/marks/of-two".to_owned()));
    assert!(!paths(&store.ckpt(&["diff", "web~1", "web"])).contains(&"/marks/of-two".to_owned()));
    assert_says(&store.fails(&["inspect", "web~3"]), &["has 2 saves", "no web~3", "ckpt history web"]);
    assert_says(&store.fails(&["inspect", "web~0"]), &["web~1 is its newest save"]);
    assert_says(&store.fails(&["inspect", "db@x"]), &["db has no save", text(store.folder())]);
    assert_says(&store.says(&["rm", "web"]), &["NAME~N"]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_volumes_go_back_with_their_container() {
    let store = Saves::new();
    let data = Volume::named("history-data");
    let options = ["-v", "history-data:/data", "-v", "/anonymous"];
    let db = Container::run("db", &options, COUNT);
    let names = db.inspect("{{range .Mounts}}{{.Name}} {{end}}");
    let unnamed = Volume::named(names.split(' ').find(|name| name.len() == 64).unwrap());
    db.exec("echo one > /data/file; echo one > /anonymous/file");
    store.save("db", &[]);
    db.exec("echo two > /data/file; echo two > /anonymous/file; touch /data/more");
    store.ckpt(&["rollback", "db"]);
    let read = "cat /data/file /anonymous/file; ls /data";
    assert_eq!(db.exec(read), "one\none\nfile");
    store.ckpt(&["rollback", "db"]);
    assert_eq!(db.exec(read), "two\ntwo\nfile\nmore");

    // With its volumes as they are.
    store.ckpt(&["rollback", "db", "~2", "--ignore-volumes"]);
    assert_eq!(db.exec("cat /data/file"), "two");

    // One that somebody else uses is nobody's to take back.
    let sharing = Container::run("sharing", &["-v", "history-data:/data"], COUNT);
    assert_says(&store.fails(&["rollback", "db"]), &["history-data is used by", "--ignore-volumes"]);
    assert!(db.goes_on() && sharing.goes_on());
    drop((sharing, db, data, unnamed));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_member_goes_back_in_its_pod() {
    let store = Saves::new();
    let pod = Pod::create("history-pod");
    let member = Container::run("member", &["--pod", "history-pod"], COUNT);
    let beside = Container::run("beside", &["--pod", "history-pod"], COUNT);
    mark(&member, "one");
    store.save("member", &[]);
    let at_one = member.numbers().len();
    member.exec("rm /marks/of-one");
    mark(&member, "two");
    for expected in ["one", "two"] {
        store.ckpt(&["rollback", "member"]);
        assert_is(&member, expected, at_one);
        assert_eq!(member.inspect("{{.Pod}}"), beside.inspect("{{.Pod}}"));
    }
    assert!(beside.goes_on());
    drop((member, beside, pod));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_one_that_was_removed_comes_back() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    let identity = web.inspect(IDENTITY);
    mark(&web, "one");
    store.save("web", &[]);
    let at_one = web.numbers().len();
    web.remove();
    store.ckpt(&["rollback", "web"]);
    assert_is(&web, "one", at_one);
    assert_eq!(web.inspect(IDENTITY), identity);

    // Another one of the name is not mistaken for it, and can be replaced by it all the same.
    web.remove();
    let anew = Container::run("web", &[], COUNT);
    mark(&anew, "anew");
    assert_says(&store.fails(&["rollback", "web"]), &["another container", "was called \"web\" before"]);
    assert_says(&store.fails(&["rollback", "nobody"]), &["nobody has no save"]);
    store.ckpt(&["rollback", "web", "web~1"]);
    assert_eq!(web.inspect(IDENTITY), identity);
    store.ckpt(&["rollback", "web", "~1"]);
    assert_is(&anew, "anew", 1);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_rollback_that_fails_brings_back_what_was() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    mark(&web, "one");
    store.save("web", &[]);
    web.exec("rm /marks/of-one");
    mark(&web, "two");
    let (identity, numbers) = (web.inspect(IDENTITY), web.numbers().len());
    // Images that CRIU does not understand: all that is looked at before is well.
    let path = store.saves("web")[0]["path"].as_str().unwrap().to_owned();
    let break_it = "mkdir t; tar -C t -xf $0; printf broken > t/checkpoint/pstree.img; tar -C t -cf $0 .; rm -r t";
    shell_in(store.folder(), &break_it.replace("$0", &path));
    let said = store.fails(&["rollback", "web"]);
    assert_says(&said, &["the rollback failed", "runs as it did before"]);
    assert_is(&web, "two", numbers);
    assert_eq!(web.inspect(IDENTITY), identity);
    // Its image is gone: this is seen before anything is touched.
    assert_eq!(store.saves("web").len(), 2);
}

/// Whatever lies in the store, it is told and left alone, and the rest is there.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_what_is_put_into_the_store_by_hand_does_no_harm() {
    let store = Saves::new();
    let web = Container::run("web", &[], COUNT);
    let first = store.save("web", &["-t", "first"]);
    let db = Container::run("db", &[], COUNT);
    let by_hand = store.of("web").join("by-hand.tar");
    ckpt(&["checkpoint", "web", "-R", "-e", text(&by_hand)]);
    ckpt(&["checkpoint", "db", "-R", "-e", text(&store.of("web").join("db.tar"))]);
    fs::write(store.of("web").join("junk.tar"), "junk").unwrap();
    fs::write(store.folder().join("file"), "").unwrap();
    symlink("/etc/passwd", store.of("web").join("link.tar")).unwrap();
    symlink("web", store.folder().join("alias")).unwrap();
    let saves = store.saves("web");
    let files: Vec<_> = saves.iter().map(|save| save["file"].as_str().unwrap()).collect();
    assert!(files.len() == 2 && files[1] == "by-hand.tar", "{files:?}");
    assert_says(&store.says(&["history"]), &["db.tar is not in the history", "junk.tar is not in the history"]);
    // Without the index, and with one from somewhere else, all is found again.
    let index = store.of("web").join(".index.json");
    for damage in ["", "{\"version\":1,\"archives\":[]}", "[]"] {
        fs::write(&index, damage).unwrap();
        assert_eq!(store.saves("web"), saves);
    }
    fs::remove_file(&index).unwrap();
    assert_eq!(store.saves("web"), saves);
    // One that is removed by hand is gone, and breaks nothing.
    fs::remove_file(saves[0]["path"].as_str().unwrap()).unwrap();
    assert_says(&store.fails(&["rollback", "web", &first]), &["no save with the ID or tag"]);
    store.ckpt(&["rollback", "web", "~1", "--discard"]);
    assert!(web.goes_on());
    drop(db);
    for tag in ["a/b", "..", "a\nb", "web~1", "-x", ""] {
        assert_says(&store.says(&["save", "web", &format!("--tag={tag}")]), &["is no tag"]);
    }
    assert_eq!(store.saves("web").len(), 1);
    fs::set_permissions(store.folder(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_says(&store.fails(&["save", "web"]), &["others may write to"]);
}
