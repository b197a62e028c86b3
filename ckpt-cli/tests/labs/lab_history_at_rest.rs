//! Containers that do not run, or are gone: their files are saved, and a rollback loses nothing.

use crate::history::*;
use crate::lab::*;

/// What stays the same, whatever the container goes back to.
const IDENTITY: &str = "{{.Id}} {{.Name}} {{.ImageName}}";

/// Notes a word in the container, in its volume, and in a file that only one of this word has.
fn mark(container: &Container, word: &str) {
    container.exec(&format!("echo {word} | tee /srv/mark > /data/mark; echo {word} > /data/of-{word}"));
}

/// The same as seen from outside, also of a container that does not run.
fn marks(container: &Container) -> [String; 2] {
    let merged = podman(&["mount", &container.name]);
    let root = shell_in(std::path::Path::new(&merged), "cat srv/mark; ls etc");
    podman(&["umount", &container.name]);
    let data = podman(&["volume", "inspect", "--format", "{{.Mountpoint}}", "rest-data"]);
    [root, shell_in(std::path::Path::new(&data), "cat mark; ls")]
}

fn is_stopped(container: &Container) -> bool {
    matches!(&container.inspect("{{.State.Status}}")[..], "created" | "configured" | "exited")
}

fn stop(container: &Container) {
    podman(&["stop", "--time", "0", &container.name]);
}

/// MEMORY of each save in the table.
fn memories(store: &Saves, container: &str) -> Vec<String> {
    let saves = store.saves(container);
    saves.iter().map(|save| save["memory"].as_str().unwrap().to_owned()).collect()
}

fn a_stopped_container_goes_back_and_forth(runtime: &str) {
    let store = Saves::new();
    let network = Network::create("rest-network");
    let data = Volume::named("rest-data");
    let options = ["--runtime", runtime, "--network", "rest-network", "-v", "rest-data:/data", "-p", "18087:80"];
    let web = Container::run("web", &options, COUNT);
    let identity = web.inspect(IDENTITY);
    mark(&web, "one");
    store.save("web", &["-t", "running"]);
    let at_one = web.numbers().len();
    mark(&web, "two");
    web.exec("rm /etc/passwd; mkdir /etc/more");
    stop(&web);
    let stopped = marks(&web);
    let log = podman(&["logs", "web"]);

    // Twice back and forth: it runs with its memory, and is stopped with its files of then.
    for _ in 0..2 {
        assert_eq!(store.ckpt(&["rollback", "web", "running"]), web.inspect("{{.Id}}"));
        assert_eq!((web.inspect(IDENTITY), web.is_running()), (identity.clone(), true));
        assert_eq!(web.exec("cat /srv/mark /data/mark; ls /data"), "one\none\nmark\nof-one");
        assert_consecutive(&web.wait_for_numbers(at_one + 3));
        let word = memories(&store, "web");
        assert_eq!(word.last().unwrap(), "none", "{word:?}");
        let id = store.saves("web").last().unwrap()["id"].as_str().unwrap().to_owned();
        let arguments = store.arguments(&["rollback", "web", &id]);
        let output = run(env!("CARGO_BIN_EXE_ckpt"), &arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        assert_says(&said, &["has no memory", "`podman start web` starts it"]);
        assert!(is_stopped(&web), "{}", web.inspect("{{.State.Status}}"));
        assert_eq!((web.inspect(IDENTITY), marks(&web)), (identity.clone(), stopped.clone()));
    }
    let table = store.ckpt(&["history", "web"]);
    let rest: Vec<&str> = table.lines().filter(|line| line.contains(" none ")).collect();
    assert!(rest.len() == 2 && rest.iter().all(|line| line.contains("before a rollback")), "{table}");

    // What was made starts as any container, in its network, with its port and its volume.
    podman(&["start", "web"]);
    assert!(podman(&["logs", "web"]).starts_with(&log));
    assert_eq!(web.exec("cat /srv/mark /data/mark; ls /data"), "two\ntwo\nmark\nof-one\nof-two");
    assert!(web.exec("ls -d /etc/more; ls /etc").contains("/etc/more"));
    assert!(web.inspect("{{.NetworkSettings.Networks}} {{.NetworkSettings.Ports}}").contains("rest-network"));
    assert!(web.inspect("{{.NetworkSettings.Ports}}").contains("18087"));
    store.save("web", &[]);
    for save in store.saves("web") {
        store.ckpt(&["verify", "--aligned", save["path"].as_str().unwrap()]);
    }
    drop((web, data, network));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_stopped_container_goes_back_and_forth_crun() {
    a_stopped_container_goes_back_and_forth("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_stopped_container_goes_back_and_forth_runc() {
    a_stopped_container_goes_back_and_forth("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_stopped_container_is_saved_without_memory() {
    let store = Saves::new();
    let data = Volume::named("rest-data");
    let web = Container::run("web", &["-v", "rest-data:/data"], COUNT);
    mark(&web, "one");
    stop(&web);
    assert_says(&store.fails(&["save", "web"]), &["was never saved while it ran", "podman start web"]);
    assert!(store.saves("web").is_empty());
    podman(&["start", "web"]);
    store.save("web", &["-t", "running"]);
    stop(&web);
    store.save("web", &["-t", "rest", "-m", "at rest"]);
    assert_eq!(memories(&store, "web"), ["whole", "none"]);
    assert!(is_stopped(&web));

    // It is named wherever an archive is, and what would have to run is refused.
    assert!(store.ckpt(&["ls", "web@rest"]).contains("rootfs-diff.tar"));
    let inspected: serde_json::Value =
        serde_json::from_str(&store.ckpt(&["inspect", "web~1", "--format", "json"])).unwrap();
    assert_eq!(inspected["manifest"]["without_memory"], true);
    store.ckpt(&["diff", "web@running", "web@rest"]);
    assert_says(&store.fails(&["fork", "web@rest", "--count", "2"]), &["no memory in it", "run on"]);
    assert_says(
        &store.fails(&["restore", "-i", "web@rest", "--name", "web2", "--lazy=always"]),
        &["the archive has none"],
    );

    // Beside it, under another name.
    let copy = Container::named("web-copy");
    let copys = Volume::named("rest-data");
    web.remove();
    podman(&["volume", "rm", "rest-data"]);
    store.ckpt(&["restore", "-i", "web@rest", "--name", "web-copy"]);
    assert!(is_stopped(&copy));
    podman(&["start", "web-copy"]);
    assert_eq!(copy.exec("cat /srv/mark /data/mark"), "one\none");
    assert!(copy.goes_on());
    drop((copy, copys, data));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_of_a_removed_container_what_is_left_is_saved() {
    let store = Saves::new();
    let data = Volume::named("rest-data");
    let db = Container::run("db", &["-v", "rest-data:/data"], COUNT);
    let identity = db.inspect(IDENTITY);
    mark(&db, "one");
    store.save("db", &["-t", "one"]);
    mark(&db, "two");
    db.remove();
    let data_of_two = data.tree();

    store.ckpt(&["rollback", "db", "one"]);
    assert_eq!(db.exec("cat /srv/mark /data/mark; ls /data"), "one\none\nmark\nof-one");
    assert_eq!(memories(&store, "db"), ["whole", "none"]);
    assert!(db.goes_on());
    // Its files were gone, those of the volume were not.
    store.ckpt(&["rollback", "db", "~1"]);
    assert!(is_stopped(&db));
    assert_eq!((data.tree(), db.inspect(IDENTITY)), (data_of_two.clone(), identity));
    // And forth again: what was saved before runs.
    store.ckpt(&["rollback", "db", "one"]);
    assert_eq!(db.exec("cat /data/mark"), "one");

    // With the container gone, and its volumes left as they are.
    mark(&db, "three");
    db.remove();
    store.ckpt(&["rollback", "db", "one", "--ignore-volumes"]);
    assert_eq!(db.exec("cat /srv/mark /data/mark"), "one\nthree");
    drop((db, data));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_a_stopped_member_goes_back_in_its_pod() {
    let store = Saves::new();
    let pod = Pod::create("rest-pod");
    let member = Container::run("member", &["--pod", "rest-pod"], COUNT);
    let beside = Container::run("beside", &["--pod", "rest-pod"], COUNT);
    member.exec("echo one > /srv/mark");
    store.save("member", &["-t", "one"]);
    member.exec("echo two > /srv/mark");
    stop(&member);
    store.ckpt(&["rollback", "member", "one"]);
    assert_eq!(member.exec("cat /srv/mark"), "one");
    store.ckpt(&["rollback", "member", "~1"]);
    assert!(is_stopped(&member) && beside.goes_on());
    assert_eq!(member.inspect("{{.Pod}}"), beside.inspect("{{.Pod}}"));
    podman(&["start", "member"]);
    assert_eq!(member.exec("cat /srv/mark"), "two");
    drop((member, beside, pod));
}

/// The restore fails once the stopped container is gone: that is made again, as it was.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_rollback_that_fails_leaves_a_stopped_container_as_it_was() {
    let store = Saves::new();
    let data = Volume::named("rest-data");
    let web = Container::run("web", &["-v", "rest-data:/data"], COUNT);
    mark(&web, "one");
    store.save("web", &[]);
    mark(&web, "two");
    stop(&web);
    let (identity, stopped) = (web.inspect(IDENTITY), marks(&web));
    let path = store.saves("web")[0]["path"].as_str().unwrap().to_owned();
    let break_it = "mkdir t; tar -C t -xf $0; printf broken > t/checkpoint/pstree.img; tar -C t -cf $0 .; rm -r t";
    shell_in(store.folder(), &break_it.replace("$0", &path));
    let said = store.fails(&["rollback", "web"]);
    assert_says(&said, &["the rollback failed", "is stopped, with its files as they were"]);
    assert!(is_stopped(&web));
    assert_eq!((web.inspect(IDENTITY), marks(&web)), (identity, stopped));
    drop((web, data));
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_memory_of_one_that_was_checkpointed_is_saved_as_well() {
    let store = Saves::new();
    for runtime in RUNTIMES {
        let web = Container::run("web", &["--runtime", runtime], COUNT);
        store.save("web", &[]);
        let count = web.wait_for_numbers(web.numbers().len() + 3).len();
        podman(&["container", "checkpoint", "web"]);
        store.ckpt(&["rollback", "web", "~1"]);
        // To what it was before that.
        store.ckpt(&["rollback", "web"]);
        let numbers = web.wait_for_numbers(count + 1);
        assert_consecutive(&numbers);
        assert!(web.goes_on());
        web.remove();
        store.ckpt(&["rm", "web~1", "web~2", "web~3"]);
    }
}
