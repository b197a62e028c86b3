//! Passes that come to nothing: the container goes on, and nothing half-made has a name.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::lab::*;
use rustix::process::{Pid, Signal, kill_process};

/// Bytes of the file that passes are made for.
const LARGE: u64 = 100_000_000;

/// A trial before the passes writes less.
const TRIAL: u64 = 40_000_000;

/// Counts, with a file of that many bytes.
fn counting(name: &str, bytes: u64) -> Container {
    let container = Container::run(name, &[], COUNT);
    container.exec(&format!("head -c {bytes} /dev/urandom > /srv/large"));
    container
}

/// The container counts on, no number is missing, and `folder` is empty.
fn assert_nothing_came_of_it(container: &Container, folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(container.is_running());
    let count = container.numbers().len();
    assert_consecutive(&container.wait_for_numbers(count + 1));
    assert_eq!(frozen_tasks(container), Vec::<String>::new());
}

/// Waits until the draft in `folder` has `bytes`.
fn wait_for_draft(ckpt: &mut Child, folder: &Path, bytes: u64) {
    let descriptors = format!("/proc/{}/fd", ckpt.id());
    let is_draft = |path: &PathBuf| fs::read_link(path).is_ok_and(|file| file.starts_with(folder));
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let found = fs::read_dir(&descriptors).into_iter().flatten().flatten().map(|entry| entry.path());
        if found.filter(is_draft).any(|path| fs::metadata(path).is_ok_and(|file| file.len() >= bytes)) {
            return;
        }
        assert!(ckpt.try_wait().unwrap().is_none() && Instant::now() < patience, "there is no draft of {bytes} bytes");
    }
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_a_run_that_ends_in_a_pass_leaves_the_container_and_nothing_else() {
    let folder = folder();
    let container = counting("struck", LARGE);
    let arguments = ["checkpoint", "struck", "-e", text(&folder.path().join("x.tar"))].map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // In the first one, and after it.
    for (bytes, signal) in [TRIAL, LARGE].into_iter().flat_map(|bytes| [(bytes, Signal::KILL), (bytes, Signal::INT)]) {
        let mut ckpt = start_ckpt(&arguments);
        wait_for_draft(&mut ckpt, folder.path(), bytes);
        kill_process(Pid::from_child(&ckpt), signal).unwrap();
        assert!(!ckpt.wait().unwrap().success(), "{signal:?} at {bytes}");
        wait_for("podman's end", || podmans_of_ckpt().is_empty().then_some(()));
        assert_nothing_came_of_it(&container, folder.path());
    }
}

/// `ckpt checkpoint`, which finds its container with a new file of that many bytes when the passes are over.
fn checkpoint_of_one_that_grows(container: &Container, archive: &Path, bytes: usize) -> String {
    let upperdir = container.inspect("{{.GraphDriver.Data.UpperDir}}");
    let held = Held::at("podman", "container checkpoint");
    let ckpt = held.start(&["checkpoint", &container.name, "-e", text(archive)]);
    held.reached();
    let new = Path::new(&upperdir).join("srv/new");
    fs::File::create(&new).unwrap().write_all(&vec![7; bytes]).unwrap();
    held.let_go();
    let output = ckpt.wait_with_output().unwrap();
    fs::remove_file(new).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_a_disk_that_gets_full_in_a_pass_or_in_the_freeze_costs_no_container() {
    let container = counting("filling", 4_000_000);
    let target = Mounted::tmpfs("size=20M");
    let archive = target.path().join("x.tar");
    let filler = target.fill_up_to(3_000_000);
    let said = ckpt_fails(&["checkpoint", "filling", "-e", text(&archive)]);
    assert_says(&said, &["No space left", "keeps running"]);
    fs::remove_file(filler).unwrap();
    assert_nothing_came_of_it(&container, target.path());
    let said = checkpoint_of_one_that_grows(&container, &archive, 18_000_000);
    assert_says(&said, &["o space left", "keeps running"]);
    assert_nothing_came_of_it(&container, target.path());
}

/// What the last pass wrote has to be moved where no blocks can be taken out of a file.
#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn ext4_room_to_put_the_archive_together_is_looked_for_while_the_dump_can_be_undone() {
    let container = counting("moving", 4_000_000);
    let target = Mounted::tmpfs("size=20M");
    let said = checkpoint_of_one_that_grows(&container, &target.path().join("x.tar"), 10_000_000);
    assert_says(&said, &["keeps running"]);
    assert_nothing_came_of_it(&container, target.path());
}
