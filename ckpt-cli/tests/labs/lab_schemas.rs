//! Each JSON output once, of real containers, as its schema says; and nothing in it that a terminal would act upon.

use std::collections::BTreeSet;

use crate::lab::*;
use crate::registry::Registry;
use crate::unsafe_words::{EVIL, assert_is_harmless};
use serde_json::Value;

/// What was printed so far.
#[derive(Default)]
struct Printed(BTreeSet<String>);

impl Printed {
    /// Has `ckpt` print JSON, and looks at it. The table of the same is looked at as well, where there is one.
    fn json(&mut self, command: &str, arguments: &[&str]) {
        let text = ckpt(arguments);
        crate::schema::assert_is_as_said(command, &text);
        assert_is_harmless(command, text.as_bytes());
        if let Some(at) = arguments.iter().position(|argument| *argument == "--format") {
            let table = ckpt(&[&arguments[..at], &arguments[at + 2..]].concat());
            assert_is_harmless(command, table.as_bytes());
        }
        self.0.insert(command.to_owned());
    }

    /// The same of a command that does more than to print.
    fn json_once(&mut self, command: &str, arguments: &[&str]) {
        crate::schema::assert_is_as_said(command, &ckpt(arguments));
        self.0.insert(command.to_owned());
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_each_json_is_as_its_schema_says() {
    let folder = folder();
    let file = |name: &str| text(&folder.path().join(name)).to_owned();
    let (a, b) = (file("a.tar"), file("b.tar"));
    let mut printed = Printed::default();
    let label = format!("--label=l{EVIL}={EVIL}");
    let volume = Volume::named("schemas-data");
    let _of_copies = ["schemas-1", "other-1"].map(|copy| Volume::named(&format!("schemas-data-{copy}")));
    let options = [&label, "-v", "schemas-data:/data", "-p", "18080:80", "--sysctl", "net.ipv4.ip_forward=1"];
    let web = Container::run("schemas", &options, COUNT);
    web.exec("touch \"$(printf '/srv/a\\033[2J\\nb')\"; touch \"$(printf '/srv/\\377')\"; ln -s /none /srv/link");
    printed.json_once("checkpoint", &["checkpoint", "schemas", "-R", "-e", &a, "--print-stats"]);
    printed.json_once("checkpoint", &["checkpoint", "schemas", "-R", "-e", &b, "--print-stats"]);
    for archive in [&a, &file("nested.tar")] {
        ckpt(&["align", &a, &file("nested.tar")]);
        printed.json("inspect", &["inspect", archive, "--all", "--format", "json"]);
    }
    printed.json("inspect NAME", &["inspect", "schemas", "--all", "--format", "json"]);
    printed.json("ls", &["ls", &a, "--format", "json"]);
    printed.json("verify", &["verify", &a, "--format", "json"]);
    printed.json("diff", &["diff", &a, &b, "--format", "json"]);
    printed.json("diff --memory", &["diff", "--memory", &a, &b, "--format", "json"]);
    printed.json("mem", &["mem", &a, "--format", "json"]);
    printed.json("mem --search", &["mem", &a, "--search", "PATH=", "--format", "json"]);
    printed.json("rootfs diff", &["rootfs", "diff", "schemas", "--format", "json"]);
    printed.json("layers", &["layers", "schemas", "--format", "json"]);
    printed.json("dedup", &["dedup", &a, &b, "--format", "json"]);
    printed.json("doctor", &["doctor", text(folder.path()), "--format", "json"]);
    printed.json("lazy", &["lazy", "--format", "json"]);
    printed.history();
    printed.image(&a, folder.path());
    let copy = Container::named("schemas-1");
    printed.json_once("fork", &["fork", "schemas", "--count", "1", "--format", "json"]);
    drop(copy);
    web.remove();
    volume.remove();
    printed.json_once("restore", &["restore", "-i", &a, "--print-stats"]);
    let copy = Container::named("other-1");
    printed.json_once(
        "restore --count",
        &["restore", "-i", &b, "--count", "1", "--name", "other-{n}", "--publish", "18081:80", "--format", "json"],
    );
    drop(copy);
    printed.are_all();
}

impl Printed {
    fn history(&mut self) {
        let note = format!("note{EVIL}");
        ckpt(&["save", "schemas", "-m", &note, "--tag", "kept"]);
        ckpt(&["save", "schemas"]);
        self.json("history", &["history", "schemas", "--format", "json"]);
        self.json("inspect", &["inspect", "schemas~2", "--format", "json"]);
        self.json("prune", &["prune", "schemas", "--keep-tag", "kept", "-n", "--format", "json"]);
        ckpt(&["rm", "schemas~1", "schemas@kept"]);
    }

    fn image(&mut self, archive: &str, folder: &std::path::Path) {
        let registry = Registry::plain_at(folder, "127.0.0.1", 5055);
        let image = registry.image("web:1");
        registry.ckpt(&["push", archive, &image]);
        let source = format!("docker://{image}");
        let text = registry.ckpt(&["inspect", &source, "--format", "json"]);
        crate::schema::assert_is_as_said("inspect docker://", &text);
        for said in [text, registry.ckpt(&["inspect", &source])] {
            assert_is_harmless("inspect docker://", said.as_bytes());
        }
        self.0.insert("inspect docker://".to_owned());
    }

    fn are_all(&self) {
        let missing: Vec<String> =
            crate::schema::commands().into_iter().filter(|command| !self.0.contains(command)).collect();
        assert!(missing.is_empty(), "print each of these here once: {missing:?}");
    }
}

/// What is done can be followed on standard error, and is not there unless it is asked for.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_the_log_tells_what_was_done() {
    let folder = folder();
    let archive = folder.path().join("x.tar");
    let _container = Container::run("logged", &[], COUNT);
    let run = |arguments: &[&str]| {
        let export = ["checkpoint", "logged", "-R", "-e", text(&archive)];
        let output = crate::lab::run(env!("CARGO_BIN_EXE_ckpt"), &[arguments, &export].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(run(&[]), "");
    let json = run(&["--log-level", "debug", "--log-format", "json"]);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |message: &str| lines.iter().filter(|line| line["fields"]["message"] == message).collect::<Vec<_>>();
    let ran = find("a program ran");
    assert!(ran.iter().any(|line| line["fields"]["arguments"].as_str().unwrap().contains("checkpoint")), "{json}");
    assert!(ran.iter().all(|line| line["fields"]["elapsed_us"].is_u64()));
    let made = find("the checkpoint is made");
    assert!(
        made[0]["fields"]["frozen_us"].as_u64().unwrap() > 0 && made[0]["fields"]["clone_calls"].is_u64(),
        "{json}"
    );
    let text = run(&["--log-level", "info"]);
    assert!(text.contains("the checkpoint is made") && !text.contains("a program ran"), "{text}");
}
