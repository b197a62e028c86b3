//! What `ckpt mem` and `ckpt diff --memory` say of real processes, and what gdb makes of a core file.

use std::fs;
use std::path::Path;

use crate::lab::*;
use serde_json::Value;

const PAGE: u64 = 4096;

/// Two processes, each with a text on two pages that is nowhere else in its memory, and one that both share. The first has
/// a thread and a changed variable of its program; SIGUSR1 changes one byte of its text's mapping.
const HOLD: &str = r#"
import ctypes, mmap, os, signal, threading, time
def plant(memory, text):
    for at in range(len(text)):
        memory[2 * 4096 - 6 + at] = text[-1 - at]
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
def region():
    return mmap.mmap(-1, 16 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7)
def tell(name, text):
    with open("/srv/new", "w") as file:
        print(text, file=file)
    os.rename("/srv/new", "/srv/" + name)
shared = mmap.mmap(-1, 16 * 4096)
plant(shared, b"htob fo terces")
if os.fork() == 0:
    memory = region()
    tell("child", f"{os.getpid()} {plant(memory, b'dlihc eht fo terces'):x}")
    while True:
        signal.pause()
memory = region()
address = plant(memory, b"tnerap eht fo terces")
ctypes.c_int.in_dll(ctypes.pythonapi, "Py_OptimizeFlag").value = 271828
def change(*_):
    memory[9 * 4096 + 5] ^= 1
    tell("changed", "")
signal.signal(signal.SIGUSR1, change)
threading.Thread(target=lambda: time.sleep(1 << 30), daemon=True).start()
while not os.path.exists("/srv/child"):
    time.sleep(0.01)
tell("parent", f"{os.getpid()} {address:x}")
while True:
    signal.pause()
"#;

/// The ID and the address that a process told.
fn told(container: &Container, name: &str) -> (u64, u64) {
    let script = format!("cat /srv/{name} 2>/dev/null; true");
    let line = wait_for("a process's word", || Some(container.exec(&script)).filter(|line| !line.is_empty()));
    let (pid, address) = line.split_once(' ').unwrap();
    (pid.parse().unwrap(), u64::from_str_radix(address, 16).unwrap())
}

fn json(arguments: &[&str]) -> Vec<Value> {
    serde_json::from_str(&ckpt(&[arguments, &["--format", "json"]].concat())).unwrap()
}

fn number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Process and address of each place where `text` is.
fn places(archive: &str, text: &str) -> Vec<(u64, u64)> {
    let found = json(&["mem", archive, "--search", text]);
    found.iter().map(|one| (one["pid"].as_u64().unwrap(), number(&one["address"]))).collect()
}

/// Addresses, permissions, and of files the offset and the path: what /proc and CRIU both know.
fn mappings_of_proc(maps: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let mut next = || words.next().unwrap_or_default();
        let (addresses, permissions, offset, _, _, path) = (next(), next(), next(), next(), next(), next());
        mapping(addresses, permissions, u64::from_str_radix(offset, 16).unwrap(), path)
    };
    // CRIU takes neighbours that are the kernel's for one.
    maps.replace("[vvar_vclock]", "[vvar]").lines().map(line).filter(|line| !line.ends_with(" [vvar]")).collect()
}

fn mappings_of_archive(archive: &str, pid: u64) -> Vec<String> {
    let processes = json(&["mem", archive, "--pid", &pid.to_string()]);
    let line = |one: &Value| {
        let addresses = format!("{:x}-{:x}", number(&one["start"]), number(&one["end"]));
        let (permissions, name) = (one["permissions"].as_str().unwrap(), one["name"].as_str().unwrap());
        mapping(&addresses, permissions, one["offset"].as_u64().unwrap(), name)
    };
    let lines = processes[0]["mappings"].as_array().unwrap().iter().map(line);
    lines.filter(|line| !line.ends_with(" [vvar]")).collect()
}

fn mapping(addresses: &str, permissions: &str, offset: u64, name: &str) -> String {
    let addresses: Vec<u64> = addresses.split('-').map(|at| u64::from_str_radix(at, 16).unwrap()).collect();
    let name = match name {
        // Shared memory is a file without a name to /proc.
        "/dev/zero" | "[shared]" => "",
        name => name,
    };
    let offset = if name.starts_with('/') { offset } else { 0 };
    format!("{addresses:x?} {permissions} {offset:x} {name}")
}

#[test]
#[ignore = "needs podman, CRIU and gdb: cargo xtask test"]
fn btrfs_memory_is_what_the_processes_have() {
    let folder = folder();
    let [older, newer, core, packed] = ["a.tar", "b.tar", "core", "a.tar.zst"].map(|name| folder.path().join(name));
    let mounts = ["--network", "none", "-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"];
    let container = Container::run_image("holding", &mounts, IMAGE, &["/usr/bin/python3", "-c", HOLD]);
    let (parent, at) = told(&container, "parent");
    let (child, child_at) = told(&container, "child");
    let maps = container.exec(&format!("cat /proc/{parent}/maps"));
    ckpt(&["checkpoint", "holding", "-e", text(&older), "--leave-running"]);
    podman(&["kill", "--signal", "USR1", "holding"]);
    wait_for("the change", || container.exec("ls /srv").contains("changed").then_some(()));
    ckpt(&["checkpoint", "holding", "-e", text(&newer)]);
    let archive = text(&older);

    assert_eq!(mappings_of_archive(archive, parent), mappings_of_proc(&maps));

    // Across a page's end, in the right one of two processes, and what both share in both.
    let secret = at + 2 * PAGE - 6;
    assert_eq!(places(archive, "secret of the parent"), [(parent, secret)]);
    assert_eq!(places(archive, "secret of the child"), [(child, child_at + 2 * PAGE - 6)]);
    let both: Vec<u64> = places(archive, "secret of both").iter().map(|(pid, _)| *pid).collect();
    assert_eq!(both, [parent, child]);
    succeed("zstd", &["-q", archive, "-o", text(&packed)]);
    assert_eq!(places(text(&packed), "secret of the parent"), [(parent, secret)]);
    let line = ckpt(&["mem", archive, "--regex", "secret of the p.r", "--context", "7"]);
    assert_eq!(
        line,
        format!(
            "{parent} {secret:#014x} rwxp [anonymous]: \\u{{0}}\\u{{0}}\\u{{0}}\\u{{0}}\\u{{0}}\\u{{0}}\\u{{0}}»secret of the par«ent\\u{{0}}\\u{{0}}\\u{{0}}\\u{{0}}"
        )
    );
    let pid = parent.to_string();
    assert_eq!(
        run(env!("CARGO_BIN_EXE_ckpt"), &["mem", archive, "--search", "no secret of anybody here"]).status.code(),
        Some(1)
    );
    let failed = run(env!("CARGO_BIN_EXE_ckpt"), &["mem", "/nowhere.tar", "--search", "secret"]);
    assert_eq!(failed.status.code(), Some(2));

    let range = format!("{secret:x}:20");
    assert_eq!(ckpt(&["mem", archive, "--pid", &pid, "--dump", &range]), "secret of the parent");
    assert_says(&ckpt_fails(&["mem", archive, "--dump", &range]), &["--pid", &pid]);
    assert_says(&ckpt_fails(&["mem", archive, "--pid", &pid, "--dump", "1000:1"]), &["nothing at 0x1000"]);

    assert_changed(archive, text(&newer), (parent, at));
    ckpt(&["mem", archive, "--pid", &pid, "--core", text(&core)]);
    assert_gdb_reads(&core, secret);
}

/// Of the mapping at `at`, exactly one page differs.
fn assert_changed(older: &str, newer: &str, (pid, at): (u64, u64)) {
    let differences = json(&["diff", "--memory", older, newer]);
    let is_it = |one: &&Value| one["pid"] == pid && number(&one["start"]) == at;
    let difference = differences.iter().find(is_it).unwrap_or_else(|| panic!("{differences:#?}"));
    let counts =
        ["changed_pages", "added_pages", "removed_pages", "unknown_pages"].map(|name| difference[name].as_u64());
    assert_eq!(counts, [1, 0, 0, 0].map(Some), "{difference:#}");
    assert_eq!(json(&["diff", "--memory", older, older]), Vec::<Value>::new());
}

/// The planted text, the planted variable by its name, and both threads in a system call.
fn assert_gdb_reads(core: &Path, secret: u64) {
    let commands = ["info threads", "print *(int *) &Py_OptimizeFlag", &format!("x/s {secret:#x}"), "print $pc"];
    let mut arguments = vec!["-q", "-batch"];
    arguments.extend(commands.iter().flat_map(|command| ["-ex", command]));
    arguments.extend(["/usr/bin/python3.13", text(core)]);
    let said = succeed("gdb", &arguments);
    assert_says(&said, &["= 271828", "\"secret of the parent\"", "LWP 1", "python3 -c"]);
    assert!(said.contains("\n* 1 ") && said.contains("\n  2 "), "{said}");
    let length = fs::metadata(core).unwrap().len();
    assert!(length > 1 << 20, "{length} bytes");
}
