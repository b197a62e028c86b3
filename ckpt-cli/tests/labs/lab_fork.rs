//! Copies of a container: each goes on from one moment, alone.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::copies::copies_of;
use crate::lab::*;
use serde_json::Value;

fn distinct<T: Ord>(all: impl IntoIterator<Item = T>) -> usize {
    all.into_iter().collect::<BTreeSet<T>>().len()
}

/// What a server at this port of the host says.
fn fetch(port: &str) -> String {
    let mut connection = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    connection.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").unwrap();
    let answer = io::read_to_string(connection).unwrap();
    answer.rsplit("\r\n\r\n").next().unwrap().trim().to_owned()
}

/// Writes of one are seen by no other, and each is stopped, checkpointed, copied and removed while the others run.
fn each_goes_on_alone(runtime: &str, count: u32) {
    let folder = folder();
    let original = Container::run("one", &["--runtime", runtime], COUNT);
    original.exec("echo before > /srv/file");
    let at_fork = original.wait_for_numbers(20).len();
    let world = World::at_rest(folder.path());
    let printed = ckpt(&["fork", "one", "--count", &count.to_string()]);
    let copies = copies_of("one", count);

    let mut lines: Vec<_> = printed.lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected: Vec<_> = copies.iter().map(|copy| format!("{} {}", copy.name, copy.inspect("{{.Id}}"))).collect();
    expected.sort();
    assert_eq!(lines, expected);
    let all: Vec<&Container> = std::iter::once(&original).chain(&copies).collect();
    for template in
        ["{{.NetworkSettings.IPAddress}}", "{{.NetworkSettings.MacAddress}}", "{{.NetworkSettings.SandboxKey}}"]
    {
        assert_eq!(distinct(all.iter().map(|container| container.inspect(template))), all.len(), "{template}");
    }
    assert_eq!(distinct(all.iter().map(|container| container.cgroup())), all.len());
    for container in &all {
        assert_consecutive(&container.wait_for_numbers(at_fork + 20));
        assert_eq!(container.exec("cat /srv/file"), "before");
    }
    for (number, container) in all.iter().enumerate() {
        container.exec(&format!("echo {number} > /srv/file"));
    }
    for (number, container) in all.iter().enumerate() {
        assert_eq!(container.exec("cat /srv/file"), number.to_string());
    }

    // A copy is a container as any other.
    let archive = folder.path().join("copy.tar");
    copies[0].checkpoint_and_remove(&archive);
    ckpt(&["restore", "-i", text(&archive)]);
    ckpt(&["fork", "one-1", "--count", "1", "--name", "again"]);
    let again = Container::named("again");
    assert_eq!(again.exec("cat /srv/file"), "1");
    podman(&["stop", "--time", "0", "one-2"]);
    copies[2].remove();
    for container in [&original, &copies[0], &again].into_iter().chain(&copies[3..]) {
        assert!(container.goes_on());
    }
    std::fs::remove_file(&archive).unwrap();
    drop((copies, again));
    world.assert_same(folder.path());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_each_copy_goes_on_alone_crun() {
    each_goes_on_alone("crun", 4);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_each_copy_goes_on_alone_runc() {
    each_goes_on_alone("runc", 4);
}

#[test]
#[ignore = "takes minutes, needs podman and CRIU: cargo xtask test --long"]
fn long_each_of_sixteen_copies_goes_on_alone_crun() {
    each_goes_on_alone("crun", 16);
}

#[test]
#[ignore = "takes minutes, needs podman and CRIU: cargo xtask test --long"]
fn long_each_of_sixteen_copies_goes_on_alone_runc() {
    each_goes_on_alone("runc", 16);
}

/// Of a copy's own are its log, CRIU's images, and the metadata of a file.
fn sixteen_copies_take(bytes: u64, at_most: u64) {
    let folder = folder();
    let original = Container::run("many", &[], COUNT);
    original.exec(&format!("head -c {bytes} /dev/urandom > /srv/large"));
    let sum = original.exec("md5sum < /srv/large");
    let before = used_bytes(folder.path());
    let printed =
        ckpt(&["fork", "many", "--count", "16", "--name", "many{n:02}", "--lazy", "always", "--format", "json"]);
    let names =
        printed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned());
    let copies: Vec<_> = names.map(|name| Container::named(&name)).collect();
    assert_eq!(distinct(copies.iter().map(|copy| &copy.name)), 16);
    let grown = used_bytes(folder.path()).saturating_sub(before);
    println!("16 copies of {bytes} bytes took {grown}");
    assert!(grown < at_most, "{grown}");
    for copy in &copies {
        assert!(copy.goes_on());
    }
    assert_eq!(copies[15].exec("md5sum < /srv/large"), sum);
    assert!(original.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_sixteen_copies_take_next_to_no_space() {
    sixteen_copies_take(400_000_000, 16 * 4_000_000);
}

#[test]
#[ignore = "takes minutes, needs podman and CRIU: cargo xtask test --long"]
fn long_sixteen_copies_of_five_gigabytes_take_less_than_a_hundredth() {
    sixteen_copies_take(5_000_000_000, 50_000_000);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_volumes_are_copied_shared_or_new() {
    let volume = Volume::named("kept");
    let image = ["-v", "kept:/data", "-v", "/own", "--volume", "kept:/again"];
    let original = Container::run("voluminous", &image, COUNT);
    original.exec("echo original > /data/file; echo original > /own/file");
    for (rule, seen) in [("copy", "original"), ("share", "original"), ("skip", "")] {
        let name = format!("v-{rule}");
        ckpt(&["fork", "voluminous", "--count", "2", "--name", &format!("{name}-{{n}}"), "--volumes", rule]);
        let copies = copies_of(&name, 2);
        let volumes: Vec<_> = copies.iter().map(|copy| Volume::named(&format!("kept-{}", copy.name))).collect();
        for copy in &copies {
            assert_eq!(copy.exec("cat /data/file || true"), seen, "{rule}");
            assert_eq!(copy.exec("cat /own/file"), "original", "{rule}");
            copy.exec(&format!("echo {} > /own/file; echo {} > /data/new", copy.name, copy.name));
            assert_eq!(copy.exec("cat /again/new"), copy.name);
        }
        assert_eq!(original.exec("cat /own/file"), "original", "{rule}");
        let is_shared = original.exec("cat /data/new 2> /dev/null || true") == copies[1].name;
        assert_eq!(is_shared, rule == "share", "{rule}");
        let named = podman(&["volume", "ls", "--format", "{{.Name}}"]);
        for volume in &volumes {
            assert_eq!(named.lines().any(|name| name == volume.name), rule != "share", "{rule}");
        }
        let count = named.lines().count();
        copies.iter().for_each(|copy| drop(podman(&["rm", "--force", "--time", "0", "--volumes", &copy.name])));
        assert_eq!(podman(&["volume", "ls", "--format", "{{.Name}}"]).lines().count(), count - 2, "anonymous ones go");
    }
    podman(&["rm", "--force", "--time", "0", "--volumes", &original.name]);
    drop(volume);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_each_copy_has_ports_of_its_own() {
    let original = Container::run("ports", &["-p", "8091:80"], COUNT);
    // Nothing is touched for what cannot be: not the container, and no archive is read.
    let untouched = broken_criu("exit 1");
    for (publish, why) in [("nonsense", "no port"), ("8080:80", "twice"), ("65535+{n}:80", "above 65535")] {
        for what in [&["fork", "ports"][..], &["restore", "-i", "/nonexistent"]] {
            let said = ckpt_fails_with(untouched.path(), &[what, &["--count", "2", "-p", publish]].concat());
            assert!(said.contains(why), "{said}");
        }
    }
    let serve = "echo $CKPT_NAME > /srv/index.html; httpd -p 80 -h /srv";
    let given = ckpt(&["fork", "ports", "--count", "2", "--name", "given-{n}", "-p", "8100+{n}:80", "--exec", serve]);
    for (number, copy) in copies_of("given", 2).iter().enumerate() {
        let port = format!("810{}", number + 1);
        assert!(given.lines().any(|line| line.starts_with(&copy.name) && line.ends_with(&format!(" {port}->80/tcp"))));
        assert_eq!(fetch(&port), copy.name);
    }
    let free = ckpt(&["fork", "ports", "--count", "2", "--name", "free-{n}", "--exec", serve, "--format", "json"]);
    let copies = copies_of("free", 2);
    for line in free.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let port = line.pointer("/ports/0/host_port").unwrap().as_str().unwrap();
        assert_eq!(fetch(port), line["name"].as_str().unwrap());
    }
    assert!(copies.iter().all(Container::goes_on) && original.goes_on());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_copy_is_told_what_it_is_if_asked() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    // It looks for itself, so that it is seen what is there when its own processes go on.
    let script = "while :; do cat /run/ckpt/clone.json >> /srv/seen 2> /dev/null; sleep 0.05; done";
    let options = ["--tmpfs", "/run"];
    let original = Container::run("told", &options, script);
    ckpt(&["checkpoint", "told", "-R", "-e", text(&archive)]);
    ckpt(&["restore", "-i", text(&archive), "--count", "2", "--announce"]);
    for (number, copy) in copies_of("told", 2).iter().enumerate() {
        let told: Value = serde_json::from_str(&copy.exec("cat /run/ckpt/clone.json")).unwrap();
        assert_eq!(told["name"], copy.name);
        assert_eq!(told["number"], number + 1);
        assert_eq!(told["id"], copy.inspect("{{.Id}}"));
        assert_eq!(told["archive"], text(&archive));
        assert!(told["time"].as_str().unwrap().ends_with('Z'));
    }
    let untold = Container::named("untold");
    ckpt(&["fork", "told", "--count", "1", "--name", "untold"]);
    assert_eq!(untold.exec("ls /run/ckpt 2> /dev/null || true"), "");
    let kept = folder.path().join("kept.tar");
    for (name, keep, expected) in
        [("kept", &["--keep", text(&kept)][..], Value::from(text(&kept))), ("gone", &[], Value::Null)]
    {
        let copy = Container::named(name);
        ckpt(&[&["fork", "told", "--count", "1", "--announce", "--name", name], keep].concat());
        let told: Value = serde_json::from_str(&copy.exec("cat /run/ckpt/clone.json")).unwrap();
        assert_eq!(told["archive"], expected);
    }
    assert_eq!(original.exec("cat /srv/seen"), "");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_an_archive_from_elsewhere_is_copied_once() {
    let (folder, elsewhere) = (folder(), tempfile::tempdir_in("/mnt/ext4").unwrap());
    let archive = elsewhere.path().join("x.tar");
    let original = Container::run("far", &[], COUNT);
    original.exec("head -c 60000000 /dev/urandom > /srv/large");
    let sum = original.exec("md5sum < /srv/large");
    original.checkpoint_and_remove(&archive);
    let before = used_bytes(folder.path());
    ckpt(&["restore", "-i", text(&archive), "--count", "4"]);
    let copies = copies_of("far", 4);
    let grown = used_bytes(folder.path()).saturating_sub(before);
    assert!((60_000_000..90_000_000).contains(&grown), "{grown}");
    for copy in &copies {
        assert_eq!(copy.exec("md5sum < /srv/large"), sum);
        assert!(copy.goes_on());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_kept_archive_is_whole_and_its_memory_comes_to_each_copy() {
    let folder = folder();
    let archive = folder.path().join("kept.tar");
    let remember = "remembered=$(head -c 15000000 /dev/urandom | base64)
        while :; do echo \"$remembered\" | md5sum > /srv/sum.new; mv /srv/sum.new /srv/sum; sleep 0.1; done";
    let original = Container::run("rich", &[], remember);
    let sum = |container: &Container| {
        container.exec("rm -f /srv/sum");
        wait_for("a sum", || Some(container.exec("cat /srv/sum 2> /dev/null || :")).filter(|sum| !sum.is_empty()))
    };
    let before = sum(&original);
    ckpt(&["fork", "rich", "--count", "2", "--lazy", "always", "--keep", text(&archive)]);
    for container in copies_of("rich", 2).iter().chain([&original]) {
        assert_eq!(sum(container), before, "{}", container.name);
    }
    ckpt(&["verify", text(&archive)]);
    original.remove();
    podman(&["container", "restore", "--import", text(&archive)]);
    assert_eq!(sum(&original), before);
    assert!(File::open(Path::new(&archive)).is_ok());
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_a_copy_is_called_as_podman_calls_a_new_container() {
    let _network = Network::create("called");
    let image = ["--network", "called", "--network-alias", "database"];
    for (name, options, is_chosen) in [
        ("plain", &["--runtime", "crun"][..], false),
        ("bare", &["--runtime", "runc"], false),
        ("chosen", &["--hostname", "chosen"], true),
    ] {
        let original = Container::run(name, &[&image[..], options].concat(), COUNT);
        ckpt(&["fork", name, "--count", "2"]);
        let copies = copies_of(name, 2);
        for container in std::iter::once(&original).chain(&copies) {
            let id = container.inspect("{{.Id}}")[..12].to_owned();
            let host = if is_chosen { "chosen" } else { &id };
            assert_eq!(container.exec("hostname; cat /etc/hostname; echo $HOSTNAME"), [host; 3].join("\n"));
            assert!(container.exec("cat /etc/hosts").contains(&format!("{host} {}", container.name)));
            assert_eq!(container.inspect("{{.Config.Hostname}}"), host);
            let aliases = container.inspect("{{range .NetworkSettings.Networks}}{{json .Aliases}}{{end}}");
            let aliases: BTreeSet<String> = serde_json::from_str(&aliases).unwrap();
            let mut expected = BTreeSet::from([id.clone(), host.to_owned()]);
            expected.extend((container.name == name).then(|| "database".to_owned()));
            assert_eq!(aliases, expected);
        }
        // A copy of a copy, and one that has begun anew.
        let again = Container::named("again");
        ckpt(&["fork", &copies[0].name, "--count", "1", "--name", "again"]);
        podman(&["restart", "--time", "0", &copies[1].name]);
        for container in [&again, &copies[1]] {
            let id = container.inspect("{{.Id}}")[..12].to_owned();
            assert_eq!(container.exec("hostname"), if is_chosen { "chosen" } else { &id });
        }
    }
}

fn connections_stay_with_the_original(runtime: &str) {
    let server = Container::run("hears", &["--runtime", runtime], "sleep 1000 | nc -l -p 5000 > /srv/heard");
    wait_for("the listener", || server.exec("netstat -ltn").contains(":5000 ").then_some(()));
    let address = server.inspect("{{.NetworkSettings.IPAddress}}");
    let count = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    let script = format!("({count}) | nc {address} 5000; echo closed > /srv/closed; while :; do sleep 1; done");
    let client = Container::run("says", &["--runtime", runtime], &script);
    let heard = || server.exec("cat /srv/heard; true").lines().count();
    wait_for("the connection", || (heard() > 3).then_some(()));
    if !criu_knows_sockets() {
        for option in ["--lazy=auto", "--tcp-established"] {
            let said = ckpt_fails(&["fork", "says", "--count", "2", option]);
            assert!(said.contains("4.2 or newer") && said.contains("keeps running"), "{said}");
        }
        let before = heard();
        wait_for("more numbers", || (heard() > before + 5).then_some(()));
        return assert!(client.is_running());
    }
    // A copy has another address, so it cannot go on with the other end.
    assert_eq!(
        run(env!("CARGO_BIN_EXE_ckpt"), &["fork", "says", "--count", "1", "--tcp-established"]).status.code(),
        Some(1)
    );
    assert!(!run("podman", &["container", "exists", "says-1"]).status.success());
    ckpt(&["fork", "says", "--count", "2"]);
    let copies = copies_of("says", 2);
    for copy in &copies {
        wait_for("the end of nc", || (copy.exec("cat /srv/closed 2> /dev/null; true") == "closed").then_some(()));
    }
    let before = heard();
    wait_for("more numbers", || (heard() > before + 5).then_some(()));
    let numbers: Vec<u64> = server.exec("cat /srv/heard").lines().map(|line| line.parse().unwrap()).collect();
    assert_consecutive(&numbers);
    assert_eq!(client.exec("ls /srv/closed 2> /dev/null; true"), "");
}

/// Within the container a connection goes on in each copy, if that is asked for; else it is closed there.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_connections_within_a_container_go_on_in_its_copies() {
    let script = "sleep 1000 | nc -l -p 5000 > /srv/heard &
        until case \"$(netstat -ltn)\" in *:5000\\ *) true;; *) false;; esac; do sleep 0.1; done
        (i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done) | nc 127.0.0.1 5000; echo closed > /srv/closed
        while :; do sleep 1; done";
    let alone = Container::run("alone", &[], script);
    let heard = |container: &Container| container.exec("cat /srv/heard 2> /dev/null; true").lines().count();
    wait_for("the connection", || (heard(&alone) > 3).then_some(()));
    if !criu_knows_sockets() {
        let said = ckpt_fails(&["fork", "alone", "--count", "1", "--tcp-established"]);
        assert!(said.contains("4.2 or newer") && said.contains("keeps running"), "{said}");
        return assert!(alone.is_running());
    }
    ckpt(&["fork", "alone", "--count", "2", "--tcp-established"]);
    for copy in copies_of("alone", 2) {
        let before = heard(&copy);
        wait_for("more numbers", || (heard(&copy) > before + 5).then_some(()));
        assert_eq!(copy.exec("ls /srv/closed 2> /dev/null; true"), "");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_connections_stay_with_the_original_crun() {
    connections_stay_with_the_original("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn xfs_connections_stay_with_the_original_runc() {
    connections_stay_with_the_original("runc");
}
