//! The order of processes: each before those below it.

use std::collections::{BTreeMap, HashSet};

use super::process::Process;

/// Puts `processes` into the order of their tree, with children by their IDs, and sets how deep each is.
///
/// Whoever made the archive may be hostile. Of two processes with one ID, the later one is left out. One whose parents go
/// in a circle stands as if it had none.
pub(super) fn in_order(processes: Vec<Process>) -> Vec<Process> {
    let mut by_pid: BTreeMap<u32, Process> = BTreeMap::new();
    for process in processes {
        by_pid.entry(process.pid).or_insert(process);
    }
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let is_child = |process: &&Process| process.parent_pid != process.pid && by_pid.contains_key(&process.parent_pid);
    by_pid.values().filter(is_child).for_each(|process| {
        children.entry(process.parent_pid).or_default().push(process.pid);
    });
    let roots: Vec<u32> = by_pid.values().filter(|process| !is_child(process)).map(|process| process.pid).collect();
    let all: Vec<u32> = by_pid.keys().copied().collect();
    let mut ordered = Vec::with_capacity(by_pid.len());
    // Those in a circle come last.
    for root in roots.into_iter().chain(all) {
        take_below(root, &children, &mut by_pid, &mut ordered);
    }
    ordered
}

/// Without recursion: a chain of parents may be as long as there are processes.
fn take_below(
    root: u32,
    children: &BTreeMap<u32, Vec<u32>>,
    left: &mut BTreeMap<u32, Process>,
    ordered: &mut Vec<Process>,
) {
    let mut waiting = vec![(root, 0)];
    while let Some((pid, depth)) = waiting.pop() {
        let Some(mut process) = left.remove(&pid) else { continue };
        process.depth = depth;
        ordered.push(process);
        // The last one in is the next one out.
        waiting.extend(children.get(&pid).into_iter().flatten().rev().map(|&child| (child, depth + 1)));
    }
}

/// `pid`, and all whose parents, or theirs, are it: of processes by their own and their parents' IDs.
pub(super) fn below(pid: u32, parents: impl Iterator<Item = (u32, u32)>) -> HashSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    parents.for_each(|(pid, parent)| children.entry(parent).or_default().push(pid));
    let (mut found, mut waiting) = (HashSet::new(), vec![pid]);
    while let Some(pid) = waiting.pop() {
        if found.insert(pid) {
            waiting.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inside::ProcessState;

    pub(crate) fn process(pid: u32, parent_pid: u32) -> Process {
        Process {
            pid,
            parent_pid,
            depth: 0,
            group_id: pid,
            session_id: pid,
            name: "sh".into(),
            state: ProcessState::Running,
            exit_status: None,
            threads: Vec::new(),
            executable: None,
            command_line: None,
            memory: None,
            credentials: None,
            environment: None,
            working_directory: None,
            root: None,
            files: None,
            sockets: None,
            limits: None,
        }
    }

    fn ordered(processes: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let processes = processes.iter().map(|&(pid, parent)| process(pid, parent)).collect();
        in_order(processes).into_iter().map(|process| (process.pid, process.depth)).collect()
    }

    #[test]
    fn each_process_comes_before_those_below_it() {
        let tree = [(7, 1), (1, 0), (9, 7), (8, 1), (30, 9), (5, 0)];
        assert_eq!(ordered(&tree), [(1, 0), (7, 1), (9, 2), (30, 3), (8, 1), (5, 0)]);
        assert_eq!(below(7, tree.into_iter()), HashSet::from([7, 9, 30]));
        assert_eq!(below(2, [(3, 2), (2, 3)].into_iter()), HashSet::from([2, 3]));
    }

    #[test]
    fn circles_and_doubles_end() {
        assert_eq!(ordered(&[(1, 1), (2, 3), (3, 2), (2, 0)]), [(1, 0), (2, 0), (3, 1)]);
        let chain: Vec<_> = (1..100_000).map(|pid| (pid, pid - 1)).collect();
        assert_eq!(ordered(&chain).last(), Some(&(99_999, 99_998)));
    }

    proptest! {
        #[test]
        fn every_process_is_there_once(tree in prop::collection::vec((0u32..12, 0u32..12), 0..20)) {
            let pids: std::collections::BTreeSet<u32> = tree.iter().map(|(pid, _)| *pid).collect();
            let ordered = ordered(&tree);
            prop_assert_eq!(ordered.len(), pids.len());
            prop_assert_eq!(ordered.iter().map(|(pid, _)| *pid).collect::<std::collections::BTreeSet<_>>(), pids);
        }
    }
}
