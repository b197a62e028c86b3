//! Two archives of one container lie on the disk once as far as they are equal, and both stay what they are.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::kill::Dice;
use crate::lab::*;
use crate::remembering::*;

/// Memory of the container: a process's own, and what it would share with its children.
const MEMORY: Memory = Memory { private: 80 * MIB, shared: 16 * MIB };

/// All that must stay of an archive.
fn looks(archive: &Path) -> (String, [u64; 5], [i64; 4]) {
    let metadata = fs::metadata(archive).unwrap();
    let numbers = [metadata.len(), metadata.mode().into(), metadata.uid().into(), metadata.ino(), metadata.nlink()];
    let times = [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()];
    (succeed("sha256sum", &[text(archive)]), numbers, times)
}

/// What `ckpt dedup` says of the first pair.
fn dedup(archives: &[&Path]) -> Value {
    let archives: Vec<&str> = archives.iter().map(|path| text(path)).collect();
    let printed = ckpt(&[&["dedup", "--format", "json"], &archives[..]].concat());
    serde_json::from_str::<Value>(&printed).unwrap()[0].clone()
}

fn bytes(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("no {key} in {report}"))
}

/// Used bytes once the file system has given back what nobody needs, which BTRFS does with its transactions.
fn used_at_most(folder: &Path, limit: u64) {
    wait_for("space to be given back", || (used_bytes(folder) <= limit).then_some(()));
}

fn memory_takes_space_once(runtime: &str) {
    let folder = folder();
    let [one, two] = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
    let volume = Volume::named("remembered");
    let container = remembering(MEMORY, &["--runtime", runtime, "-v", "remembered:/volume"]);
    container.exec("head -c 8000000 /dev/urandom | tee /volume/data > /srv/data");
    let sums = ["USR2", "USR1"].map(|signal| {
        let sum = sum(&container, signal);
        let archive = if signal == "USR2" { &one } else { &two };
        ckpt(&["checkpoint", &container.name, "-R", "-e", text(archive)]);
        sum
    });
    assert_ne!(sums[0], sums[1]);
    container.remove();
    volume.remove();
    let before = [&one, &two].map(|archive| looks(archive));
    let used = used_bytes(folder.path());

    let report = dedup(&[&one, &two]);
    // All memory but a page in a hundred, and what lies in its neighbourhood.
    assert!(bytes(&report, "shared_bytes") > MEMORY.bytes() / 10 * 9, "{report}");
    // The files are clones of one file each.
    assert!(bytes(&report, "already_shared_bytes") > 2 * 7_900_000, "{report}");
    used_at_most(folder.path(), used - MEMORY.bytes() / 10 * 9);
    let again = dedup(&[&one, &two]);
    assert_eq!([bytes(&again, "shared_bytes"), bytes(&again, "rewritten_bytes")], [0, 0], "{again}");
    let shared = bytes(&report, "shared_bytes") + bytes(&report, "already_shared_bytes");
    assert_eq!(bytes(&again, "already_shared_bytes"), shared, "{again}");

    assert_eq!([&one, &two].map(|archive| looks(archive)), before);
    for archive in [&one, &two] {
        ckpt(&["verify", "--aligned", text(archive)]);
    }
    let restored = || {
        let container = Container::named("remembering");
        let sum = sum(&container, "USR2");
        container.remove();
        run("podman", &["volume", "rm", "--force", "remembered"]);
        sum
    };
    ckpt(&["restore", "-i", text(&one)]);
    assert_eq!(restored(), sums[0]);
    // Each is whole without the other.
    fs::remove_file(&one).unwrap();
    podman(&["container", "restore", "--import", text(&two)]);
    assert_eq!(restored(), sums[1]);
    ckpt(&["restore", "-i", text(&two), "--lazy=always", "--wait-memory"]);
    assert_eq!(restored(), sums[1]);
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn the_memory_of_two_checkpoints_takes_space_once_crun() {
    memory_takes_space_once("crun");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn the_memory_of_two_checkpoints_takes_space_once_runc() {
    memory_takes_space_once("runc");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn a_save_shares_its_memory_with_the_one_before_it() {
    let folder = folder();
    let container = remembering(MEMORY, &[]);
    let save = || ckpt(&["save", &container.name, "--store", text(folder.path())]);
    let first = sum(&container, "USR2");
    save();
    assert_ne!(sum(&container, "USR1"), first);
    save();
    let saves = fs::read_dir(folder.path().join("remembering")).unwrap().map(|entry| entry.unwrap().path());
    let mut saves: Vec<_> = saves.filter(|path| path.extension().is_some_and(|ending| ending == "tar")).collect();
    saves.sort();
    let report = dedup(&[&saves[0], &saves[1]]);
    assert_eq!(bytes(&report, "shared_bytes"), 0, "{report}");
    assert!(bytes(&report, "already_shared_bytes") > MEMORY.bytes() / 10 * 9, "{report}");
    // A save that was killed before it shared anything is seen to by the next.
    let alone = saves[1].with_extension("alone");
    succeed("cp", &["--reflink=never", "--preserve=all", text(&saves[1]), text(&alone)]);
    fs::rename(&alone, &saves[1]).unwrap();
    save();
    let report = dedup(&[&saves[0], &saves[1]]);
    assert_eq!(bytes(&report, "shared_bytes"), 0, "{report}");
    assert!(bytes(&report, "already_shared_bytes") > MEMORY.bytes() / 10 * 9, "{report}");
    ckpt(&["rollback", &container.name, &format!("{}~3", container.name), "--store", text(folder.path())]);
    assert_eq!(sum(&container, "USR2"), first);
    for save in fs::read_dir(folder.path().join("remembering")).unwrap().map(|entry| entry.unwrap().path()) {
        if save.extension().is_some_and(|ending| ending == "tar") {
            ckpt(&["verify", "--aligned", text(&save)]);
        }
    }
}

/// Trees of one large file, packed on blocks: `one.tar`, and `two.tar`, in which every tenth MiB has a changed byte.
fn two_archives(folder: &Path, mebibytes: u64) -> [PathBuf; 2] {
    shell_in(folder, &format!("mkdir tree; head -c {} /dev/urandom > tree/data", mebibytes * MIB));
    let pack = |name: &str| {
        let archive = folder.join(name);
        ckpt(&["pack", "-C", text(folder), "tree", "-f", text(&archive), "--reflink", "never"]);
        archive
    };
    let one = pack("one.tar");
    let data = File::options().write(true).open(folder.join("tree/data")).unwrap();
    (0..mebibytes).step_by(10).for_each(|mebibyte| data.write_all_at(b"changed", mebibyte * MIB + 5000).unwrap());
    let two = pack("two.tar");
    fs::remove_dir_all(folder.join("tree")).unwrap();
    [one, two]
}

#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn files_are_shared_by_path_and_each_archive_with_the_one_before_it() {
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 40);
    let three = folder.path().join("three.tar");
    succeed("cp", &["--reflink=never", "--preserve=all", text(&two), text(&three)]);
    let before = [&one, &two, &three].map(|archive| looks(archive));
    let used = used_bytes(folder.path());
    let archives = [&one, &two, &three].map(|archive| text(archive));
    let printed = ckpt(&[&["dedup"], &archives[..]].concat());
    assert_says(&printed, &[&format!("shared with {}", two.display()), &format!("shared with {}", one.display())]);
    assert_eq!(printed.lines().count(), 2, "{printed}");
    used_at_most(folder.path(), used - 2 * 40 * MIB + 4 * MIB);
    assert_eq!([&one, &two, &three].map(|archive| looks(archive)), before);
}

/// The sharing without what gives the space back: as of a run that was killed in between.
#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn btrfs_what_a_killed_run_left_is_given_back_by_the_next() {
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 64);
    let used = used_bytes(folder.path());
    let pieces = (0..fs::metadata(&two).unwrap().len() >> 16).map(|piece| piece << 16);
    let share = |at| format!("dedupe {} {at} {at} 65536", text(&one));
    let commands: Vec<String> = pieces.flat_map(|at| ["-c".to_owned(), share(at)]).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    // Those that differ it does not share, and fails.
    run("xfs_io", &[&["-r"], &commands[..], &[text(&two)]].concat());
    assert!(used_bytes(folder.path()) > used - 8 * MIB, "the blocks are still there");
    let before = [&one, &two].map(|archive| looks(archive));
    let report = dedup(&[&one, &two]);
    assert!(bytes(&report, "already_shared_bytes") > 60 * MIB && bytes(&report, "rewritten_bytes") > 0, "{report}");
    used_at_most(folder.path(), used - 60 * MIB);
    assert_eq!([&one, &two].map(|archive| looks(archive)), before);
    assert_eq!(bytes(&dedup(&[&one, &two]), "rewritten_bytes"), 0);
}

/// 52 KiB of equal blocks lie across the first MiB's end, with 20 and 32 KiB on either side of it: what is compared at once
/// ends there.
#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn equal_blocks_in_a_row_are_shared_wherever_they_begin() {
    let folder = folder();
    let [one, two] = ["one.tar", "two.tar"].map(|name| folder.path().join(name));
    shell_in(folder.path(), &format!("mkdir tree; head -c {} /dev/urandom > tree/data", 3 * MIB));
    let pack = |archive| ckpt(&["pack", "-C", text(folder.path()), "tree", "-f", text(archive), "--reflink", "never"]);
    pack(&one);
    let data = File::options().write(true).open(folder.path().join("tree/data")).unwrap();
    let equal = MIB - (20 << 10)..MIB + (32 << 10);
    for block in (0..3 * MIB).step_by(4096).filter(|block| !equal.contains(block)) {
        data.write_all_at(b"changed", block).unwrap();
    }
    pack(&two);
    let report = dedup(&[&one, &two]);
    assert_eq!(bytes(&report, "shared_bytes"), equal.end - equal.start, "{report}");
    assert_eq!(bytes(&dedup(&[&one, &two]), "shared_bytes"), 0);
}

#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn archives_off_the_blocks_share_nothing_and_a_line_says_what_to_do() {
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 8);
    let script = "mkdir t; tar -xf one.tar -C t; tar -cf a.tar -C t tree; touch t/b; tar -cf b.tar -C t b tree";
    shell_in(folder.path(), script);
    let [off, other] = ["a.tar", "b.tar"].map(|name| folder.path().join(name));
    let output = run(env!("CARGO_BIN_EXE_ckpt"), &["dedup", text(&off), text(&other), "--format", "json"]);
    assert!(output.status.success());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let report = &report[0];
    let said = String::from_utf8(output.stderr).unwrap();
    // Headers of 512 bytes stand before the data, one more in one of them.
    assert_eq!([bytes(report, "shared_bytes"), bytes(report, "off_blocks_bytes")], [0, 8 * MIB], "{report}");
    assert_eq!(said.lines().filter(|line| line.starts_with("Warning: ")).count(), 1, "{said}");
    assert_says(&said, &["`ckpt align`", text(&off), text(&other)]);
    let aligned = folder.path().join("aligned.tar");
    ckpt(&["align", text(&off), text(&aligned)]);
    let report = dedup(&[&one, &aligned]);
    assert_eq!(bytes(&report, "shared_bytes"), 8 * MIB, "{report}");
    drop(two);
}

#[test]
#[ignore = "needs file systems: cargo xtask test"]
fn what_cannot_share_is_refused_in_one_line() {
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 4);
    let (one, two) = (text(&one), text(&two));
    let elsewhere = Mounted::tmpfs("size=32m");
    let far = elsewhere.path().join("far.tar");
    let farther = elsewhere.path().join("farther.tar");
    let script =
        "zstd -q two.tar; head -c 3000000 two.tar > cut.tar; head -c 9000 /dev/urandom > none.tar; mkfifo pipe";
    shell_in(folder.path(), script);
    for target in [&far, &farther] {
        fs::copy(two, target).unwrap();
    }
    let path = |name: &str| text(&folder.path().join(name)).to_owned();
    let cases: [(&[&str], &str); 7] = [
        (&[one, text(&far)], "different file systems"),
        (&[text(&far), text(&farther)], "cannot share blocks"),
        (&[one, one], "the same file"),
        (&[one, &path("two.tar.zst")], "is compressed"),
        (&[one, &path("cut.tar")], "cut.tar"),
        (&[one, &path("none.tar")], "none.tar"),
        (&[one, &path("pipe")], "only files can share blocks"),
    ];
    for (archives, words) in cases {
        assert_says(&ckpt_fails(&[&["dedup"], archives].concat()), &[words]);
    }
    let output = ckpt_as_user(folder.path(), &["dedup", one, two]);
    assert_says(&String::from_utf8(output.stderr).unwrap(), &["Error: ", "be its owner or root"]);
    assert!(!output.status.success());
}

#[test]
#[ignore = "needs file systems: cargo xtask test"]
fn ext4_a_file_system_that_cannot_share_is_named_in_one_line() {
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 1);
    assert_says(&ckpt_fails(&["dedup", text(&one), text(&two)]), &["cannot share blocks where", "BTRFS", text(&two)]);
}

/// Page maps that say whatever they like: the kernel compares, and no byte changes.
#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn archives_that_lie_about_their_memory_keep_their_bytes() {
    let folder = folder();
    // A page map (CRIU's magic numbers) with the pages' ID, then entries: address, 32-bit count, flags, 64-bit count.
    let script = r#"
import struct, sys, os
def varint(n):
    out = b""
    while n > 127: out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])
def message(*fields):
    body = b"".join(varint(tag << 3) + varint(value) for tag, value in fields)
    return struct.pack("<I", len(body)) + body
def image(pages_id, entries):
    head = struct.pack("<II", 0x54564319, 0x56084025) + message((1, pages_id))
    return head + b"".join(message((1, at << 12), (2, 0), (4, 4), (5, pages)) for at, pages in entries)
half = os.urandom(1 << 20)
trees = {
    # The same pages for two tasks, other counts than there are pages, and pages of an image that is not there.
    "one": {"pagemap-1.img": image(1, [(16, 512)]), "pagemap-2.img": image(1, [(0, 1 << 40)]),
            "pagemap-3.img": image(9, [(16, 4)]), "pages-1.img": half + half},
    "two": {"pagemap-1.img": image(1, [(16, 100), (1 << 30, 412)]), "pagemap-2.img": image(1, [(256, 1 << 44)]),
            "pagemap-3.img": image(1, [(16, 4)]), "pages-1.img": half + os.urandom(1 << 20)},
    "bad": {"pagemap-1.img": image(1, [(16, 4), (16, 4)]), "pages-1.img": half + half},
}
for tree, images in trees.items():
    os.makedirs(tree + "/checkpoint")
    for name, content in images.items():
        open(f"{tree}/checkpoint/{name}", "wb").write(content)
"#;
    succeed("python3", &["-c", &format!("import os; os.chdir({:?})\n{script}", text(folder.path()))]);
    let archives = ["one", "two", "bad"].map(|name| {
        let archive = folder.path().join(format!("{name}.tar"));
        ckpt(&["pack", "-C", text(&folder.path().join(name)), "checkpoint", "-f", text(&archive), "--reflink=never"]);
        archive
    });
    let before = [0, 1, 2].map(|number: usize| looks(&archives[number]));
    let report = dedup(&[&archives[0], &archives[1]]);
    // 100 pages of task 1, and what task 2 has at the same address by chance.
    assert!(bytes(&report, "shared_bytes") >= 100 << 12, "{report}");
    let error = ckpt_fails(&["dedup", text(&archives[0]), text(&archives[2])]);
    assert_says(&error, &[text(&archives[2]), "pagemap-1.img"]);
    assert_eq!([0, 1, 2].map(|number: usize| looks(&archives[number])), before);
}

/// Ends `ckpt dedup` at moments by lot, by SIGKILL and by SIGINT, `count` times while it was at work.
fn end_at_any_moment(count: u32) {
    let mut dice = Dice::thrown();
    let folder = folder();
    let [one, two] = two_archives(folder.path(), 64);
    let before = [&one, &two].map(|archive| looks(archive));
    let usual = ended_after(&one, &copy_of(&folder, &two), None).1;
    let (mut hits, mut tries) = (0, 0);
    while hits < count {
        tries += 1;
        assert!(tries < 20 * count, "only {hits} of {tries} came in time");
        let target = copy_of(&folder, &two);
        let looked = looks(&target);
        let signal = [Signal::KILL, Signal::INT][dice.below(2) as usize];
        let delay = Duration::from_micros(dice.below(usual.as_micros() as u64));
        hits += u32::from(ended_after(&one, &target, Some((signal, delay))).0);
        assert_eq!([&one, &target].map(|archive| looks(archive)), [before[0].clone(), looked], "{signal:?} {delay:?}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "nothing is left in the folder");
    let target = folder.path().join("copy.tar");
    dedup(&[&one, &target]);
    let report = dedup(&[&one, &target]);
    assert!(bytes(&report, "already_shared_bytes") > 60 * MIB, "{report}");
    ckpt(&["verify", "--aligned", text(&target)]);
}

fn copy_of(folder: &TempDir, archive: &Path) -> PathBuf {
    let copy = folder.path().join("copy.tar");
    let _ = fs::remove_file(&copy);
    succeed("cp", &["--reflink=never", text(archive), text(&copy)]);
    copy
}

/// Runs it, and sends the signal after the delay; gives whether that ended it, and how long it took.
fn ended_after(one: &Path, target: &Path, end: Option<(Signal, Duration)>) -> (bool, Duration) {
    let started = Instant::now();
    let mut ckpt = Command::new(env!("CARGO_BIN_EXE_ckpt"));
    ckpt.args(["dedup", text(one), text(target)]).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = ckpt.spawn().unwrap();
    if let Some((signal, delay)) = end {
        sleep(delay);
        let _ = kill_process(Pid::from_child(&child), signal);
    }
    let output = child.wait_with_output().unwrap();
    if output.status.code().is_some_and(|code| code != 0) {
        assert_says(&String::from_utf8(output.stderr).unwrap(), &["interrupted", "both archives are whole"]);
    }
    (!output.status.success(), started.elapsed())
}

#[test]
#[ignore = "needs file systems that share blocks: cargo xtask test"]
fn a_dedup_that_is_ended_at_any_moment_damages_nothing() {
    end_at_any_moment(4);
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn long_a_dedup_that_is_ended_at_any_moment_damages_nothing() {
    end_at_any_moment(40);
}
