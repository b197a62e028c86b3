//! What checkpointctl tells of an archive, and the same in its words of what `ckpt inspect` tells.

mod sockets;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

pub(crate) use sockets::add_sockets;

use crate::lab::{ckpt, succeed, text};

pub(crate) fn theirs(archive: &Path) -> Value {
    let parts = ["--ps-tree", "--ps-tree-cmd", "--ps-tree-env", "--files", "--sockets", "--mounts", "--stats"];
    let told = succeed("checkpointctl", &[&["inspect", text(archive), "--format", "json"], &parts[..]].concat());
    serde_json::from_str::<Value>(&told).unwrap()[0].clone()
}

pub(crate) fn ours(arguments: &[&str]) -> Value {
    serde_json::from_str(&ckpt(&[&["inspect", "--all", "--format", "json"], arguments].concat())).unwrap()
}

pub(crate) fn assert_same(theirs: &Value, ours: &Value) {
    assert_eq!(ours_processes(ours), their_processes(&theirs["process_tree"]));
    assert_eq!(our_files(ours), their_files(theirs));
    assert_eq!(our_sockets(ours), their_sockets(theirs));
    let mount = |mount: &Value| json!([mount["destination"], mount["type"], mount["source"]]);
    let all = |mounts: &Value| list(mounts).iter().map(mount).collect::<Vec<_>>();
    assert_eq!(all(&ours["mounts"]["configured"]), all(&theirs["mounts"]));
    let criu = &ours["statistics"]["criu"];
    for (their_name, our_name) in [
        ("freezing_time", "freezing_us"),
        ("frozen_time", "frozen_us"),
        ("memdump_time", "memdump_us"),
        ("memwrite_time", "memwrite_us"),
        ("pages_scanned", "pages_scanned"),
        ("pages_written", "pages_written"),
    ] {
        // It leaves out what is zero.
        assert_eq!(criu[our_name].as_u64(), theirs["statistics"][their_name].as_u64().or(Some(0)), "{our_name}");
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Any bytes, as Go makes a string of JSON of them.
fn lossy(word: &Value) -> String {
    match word["hex"].as_str() {
        Some(hex) => {
            let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
            let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
            bytes
                .utf8_chunks()
                .fold(String::new(), |text, chunk| text + chunk.valid() + &"\u{fffd}".repeat(chunk.invalid().len()))
        }
        None => word.as_str().unwrap_or_default().to_owned(),
    }
}

/// Parent, name, command line and environment of each process.
type Processes = BTreeMap<u64, (u64, String, String, BTreeMap<String, String>)>;

fn their_processes(tree: &Value) -> Processes {
    let (mut found, mut waiting) = (Processes::new(), vec![(0, tree)]);
    while let Some((parent, process)) = waiting.pop() {
        let pid = process["pid"].as_u64().unwrap();
        let environment = process["environment_variables"].as_object().into_iter().flatten();
        let environment = environment.map(|(name, value)| (name.clone(), lossy(value))).collect();
        let word = |name: &str| lossy(&process[name]);
        // A space stands for the zero byte at its end as well.
        found.insert(pid, (parent, word("command"), word("cmdline").trim().to_owned(), environment));
        waiting.extend(list(&process["children"]).iter().map(|child| (pid, child)));
    }
    found
}

fn ours_processes(told: &Value) -> Processes {
    let process = |process: &Value| {
        let words: Vec<String> = list(&process["command_line"]).iter().map(lossy).collect();
        let environment = list(&process["environment"]).iter().map(lossy);
        let environment =
            environment.map(|word| word.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap());
        let told = (
            process["parent_pid"].as_u64().unwrap(),
            lossy(&process["name"]),
            words.join(" ").trim().to_owned(),
            environment.collect(),
        );
        (process["pid"].as_u64().unwrap(), told)
    };
    list(&told["processes"]).iter().map(process).collect()
}

/// Process, type and number, and the path where it has one.
type Files = BTreeSet<(u64, String, String)>;

fn their_files(told: &Value) -> Files {
    let mut files = Files::new();
    for process in list(&told["file_descriptors"]) {
        for file in list(&process["open_files"]) {
            let word = |name: &str| file[name].as_str().unwrap_or_default().to_owned();
            // It makes up a path of the type and CRIU's number for what has none.
            let path = Some(word("path")).filter(|path| !path.starts_with(&format!("{}.", word("type"))));
            // It keeps the zero byte at the end of a path of C.
            let path = path.unwrap_or_default().replace("\0]", "]");
            files.insert((process["pid"].as_u64().unwrap(), word("fd"), path));
        }
    }
    files
}

fn our_files(told: &Value) -> Files {
    let mut files = Files::new();
    for process in list(&told["processes"]).iter().filter(|process| process["files"].is_array()) {
        let pid = process["pid"].as_u64().unwrap();
        files.insert((pid, "cwd".to_owned(), lossy(&process["working_directory"])));
        files.insert((pid, "root".to_owned(), lossy(&process["root"])));
        for file in list(&process["files"]) {
            let (kind, path) = their_word(file);
            files.insert((pid, format!("{kind} {}", file["fd"]), path));
        }
    }
    files
}

fn their_word(file: &Value) -> (&'static str, String) {
    let none = String::new;
    match file["kind"].as_str().unwrap() {
        "file" => ("REG", lossy(&file["path"])),
        "pipe" => ("PIPE", format!("pipe[{}]", file["id"])),
        "unix" => {
            let peer = file["peer_inode"].as_u64().unwrap_or_default();
            ("UNIXSK", format!("unix[{} ({peer}) {}]", file["inode"], lossy(&file["address"])))
        }
        "fifo" => ("FIFO", none()),
        "inet" => ("INETSK", none()),
        "netlink" => ("NETLINKSK", none()),
        "packet" => ("PACKETSK", none()),
        "terminal" => ("TTY", none()),
        "memfd" => ("MEMFD", none()),
        "eventfd" => ("EVENTFD", none()),
        "epoll" => ("EVENTPOLL", none()),
        "inotify" => ("INOTIFY", none()),
        "signalfd" => ("SIGNALFD", none()),
        "timerfd" => ("TIMERFD", none()),
        other => panic!("{other}"),
    }
}

/// What it tells of each socket, in the order of the descriptors.
fn their_sockets(told: &Value) -> BTreeMap<u64, Vec<Value>> {
    let socket = |socket: &Value| {
        let mut socket = socket.clone();
        if let Some(address) = socket["data"]["address"].as_str().filter(|address| address.starts_with('/')) {
            socket["data"]["address"] = json!(address.trim_end_matches('\0'));
        }
        socket
    };
    let sockets = |process: &Value| list(&process["open_sockets"]).iter().map(socket).collect();
    let of = |process: &Value| (process["pid"].as_u64().unwrap(), sockets(process));
    list(&told["sockets"]).iter().map(of).collect()
}

fn our_sockets(told: &Value) -> BTreeMap<u64, Vec<Value>> {
    let of =
        |process: &Value| (process["pid"].as_u64().unwrap(), list(&process["sockets"]).iter().map(socket).collect());
    let sockets = list(&told["processes"]).iter().map(of);
    sockets.filter(|(_, sockets): &(u64, Vec<Value>)| !sockets.is_empty()).collect()
}

/// A socket in its words, without what is empty, as it has it.
fn socket(socket: &Value) -> Value {
    let buffer = |name: &str| human(socket[name].as_u64().unwrap());
    let upper = |name: &str| socket[name].as_str().unwrap().to_uppercase();
    let mut told = match socket["kind"].as_str().unwrap() {
        "inet" => json!({"protocol": upper("protocol"), "data": {
            "type": upper("protocol"), "state": upper("state"), "src": socket["local"]["address"],
            "src_port": socket["local"]["port"], "dst": socket["remote"]["address"], "dst_port": socket["remote"]["port"],
            "send_buf": buffer("send_buffer_bytes"), "recv_buf": buffer("receive_buffer_bytes"),
        }}),
        // Buffers it does not tell of these.
        "unix" => json!({"data": {"type": "UNIX", "address": lossy(&socket["address"])}}),
        _ => {
            let (send, receive) = (buffer("send_buffer_bytes"), buffer("receive_buffer_bytes"));
            return json!({"data": {"send_buf": send, "recv_buf": receive}});
        }
    };
    // An end that there is not it writes so.
    if told["data"]["type"] != "UNIX" && socket["remote"].is_null() {
        told["data"]["dst"] = json!("0.0.0.0");
    }
    let data = told["data"].as_object_mut().unwrap();
    data.retain(|_, value| !value.is_null() && value != "" && *value != json!(0));
    told
}

/// `212992` is `208.0 KiB`, spelled as it spells it.
fn human(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MB", bytes as f64 / 1_048_576.0),
    }
}
