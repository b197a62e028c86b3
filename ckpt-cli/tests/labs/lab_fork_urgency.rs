//! Copies that let the first go first are as urgent as others afterwards, and so is what podman has left running for them.

use rustix::process::{Pid, getpriority_process};

use crate::copies::copies_of;
use crate::lab::*;

fn niceness(pid: i32) -> Option<i32> {
    getpriority_process(Pid::from_raw(pid)).ok()
}

fn processes() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

#[test]
#[ignore = "needs podman and CRIU: cargo xtask test"]
fn btrfs_copies_are_as_urgent_as_the_original_whichever_was_first() {
    let own = niceness(std::process::id() as i32).unwrap();
    let original = Container::run("urgent", &[], "renice -n 3 $$; echo $$ > /srv/pid; while :; do sleep 0.1; done");
    wait_for("another niceness", || {
        let pid = original.inspect("{{.State.Pid}}").parse().unwrap();
        (niceness(pid) == Some(own + 3)).then_some(())
    });
    // All in one wave, and in several.
    for (count, jobs) in [(4, "4"), (4, "2")] {
        ckpt(&["fork", "urgent", "--count", &count.to_string(), "--jobs", jobs]);
        let copies = copies_of("urgent", count);
        for copy in &copies {
            assert_eq!(niceness(copy.inspect("{{.State.Pid}}").parse().unwrap()), Some(own + 3), "{}", copy.name);
            let conmon = std::fs::read_to_string(copy.inspect("{{.ConmonPidFile}}")).unwrap();
            assert_eq!(niceness(conmon.trim().parse().unwrap()), Some(own), "{}", copy.name);
        }
        let others: Vec<i32> = processes().filter(|&pid| niceness(pid) > Some(own + 3)).collect();
        assert_eq!(others, [0; 0]);
    }
}
