//! A history takes the space of what changed, and each save of it is whole.

use std::path::Path;

use crate::history::*;
use crate::lab::*;
use crate::remembering::*;

/// A container, and how often it is saved.
#[derive(Clone, Copy)]
struct Size {
    saves: usize,
    memory: Memory,
    /// Files, which are clones of one, and the MiB in each.
    files: [u64; 2],
    /// After each of how many saves podman restores one. It copies the files, so not all of them at full size.
    podmans: usize,
}

/// 20 saves of 1 GiB of memory, of which 1 % changes, may take 1.5 GiB beyond the first: so much of the memory is that for
/// each save.
const PART: f64 = 1.5 / 19.0;

impl Size {
    /// Bytes that all saves but the first may take.
    fn limit(self) -> u64 {
        ((self.saves - 1) as f64 * PART * self.memory.bytes() as f64) as u64
    }
}

/// Adds files to the container that take the space of one.
fn add_files(container: &Container, [count, mebibytes]: [u64; 2]) {
    container.change_from_outside(&format!(
        "mkdir data; head -c {} /dev/urandom > data/1; for n in $(seq 2 {count}); do cp --reflink=always data/1 data/$n; done",
        mebibytes * MIB
    ));
}

/// What is in all of them.
fn sum_of_files(container: &Container) -> String {
    let merged = podman(&["mount", &container.name]);
    let sums = shell_in(Path::new(&merged), "sha256sum data/* srv/notes");
    podman(&["umount", &container.name]);
    sums
}

/// Memory and files change between two saves.
fn change(container: &Container, number: usize) -> [String; 2] {
    container.exec(&format!(
        "echo save {number} >> /srv/notes; echo {number} | dd of=/data/1 seek={number} conv=notrunc 2>&1"
    ));
    [sum(container, "USR1"), sum_of_files(container)]
}

fn assert_is(container: &Container, [memory, files]: &[String; 2], what: &str) {
    assert_eq!((&sum(container, "USR2"), &sum_of_files(container)), (memory, files), "{what}");
}

fn saves_take_the_space_of_what_changed(size: Size) {
    let store = Saves::new();
    let container = remembering(size.memory, &[]);
    add_files(&container, size.files);
    let mut sums = Vec::new();
    let mut first = 0;
    for number in 1..=size.saves {
        sums.push(change(&container, number));
        store.save(&container.name, &[]);
        if number == 1 {
            first = used_bytes(store.folder());
        }
    }
    wait_for_space(store.folder(), first + size.limit());
    let saves = store.saves(&container.name);
    assert_eq!(saves.len(), size.saves);
    container.remove();
    for (number, (save, sums)) in saves.iter().zip(&sums).enumerate() {
        let (name, path) = (save["name"].as_str().unwrap(), save["path"].as_str().unwrap());
        store.ckpt(&["restore", "-i", name]);
        assert_is(&container, sums, name);
        container.remove();
        if number % size.podmans == 0 {
            podman(&["container", "restore", "--import", path]);
            assert_is(&container, sums, path);
            container.remove();
        }
    }
}

/// BTRFS gives back with its transactions what nobody needs.
fn wait_for_space(folder: &Path, limit: u64) {
    let mut used = 0;
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("space to be given back", || {
            used = used_bytes(folder);
            (used <= limit).then_some(())
        });
    }));
    assert!(waited.is_ok(), "{used} bytes are used, and {limit} may be");
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn saves_take_the_space_of_what_changed_in_them() {
    let memory = Memory { private: 56 * MIB, shared: 8 * MIB };
    saves_take_the_space_of_what_changed(Size { saves: 6, memory, files: [3, 8], podmans: 1 });
}

#[test]
#[ignore = "takes minutes: cargo xtask test --long"]
fn long_twenty_saves_of_a_gibibyte_take_the_space_of_what_changed_in_them() {
    let memory = Memory { private: 896 * MIB, shared: 128 * MIB };
    saves_take_the_space_of_what_changed(Size { saves: 20, memory, files: [48, 100], podmans: 9 });
}
