//! Threads that let others go first where processors are few, see sched(7), "The nice value".

use std::fs;

use rustix::process::{Pid, getpid, getppid, getpriority_process, setpriority_process};

use super::processes::{self, Stat};

/// How nice a patient thread is: the nicest there is. The kernel gives others seventy times as much of a processor
/// (`sched_prio_to_weight`, kernel/sched/core.c). Half of that left the first of four copies 0.06 s later.
const PATIENT: i32 = 19;

/// While this value lives, its thread lets others go first. So does what the thread starts meanwhile, and it stays so.
#[derive(Debug)]
pub(crate) struct Patience {
    usual: i32,
}

impl Patience {
    /// None where the kernel does not say how nice the thread is.
    pub(crate) fn begin() -> Option<Self> {
        let usual = getpriority_process(None).ok()?;
        setpriority_process(None, PATIENT).ok()?;
        Some(Patience { usual })
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        // Without CAP_SYS_NICE the thread stays as it is, which costs no more than time.
        let _ = setpriority_process(None, self.usual);
    }
}

/// Makes processes of these `names` as urgent as this thread is, if they are patient and younger than this program: a
/// patient thread has started them, or a program that it started.
///
/// Not for a patient thread.
pub(crate) fn end_patience_of(names: &[&str]) {
    let (Ok(usual), Some(own)) = (getpriority_process(None), Stat::of(getpid().as_raw_nonzero().get())) else { return };
    let is_meant = |stat: &Stat| stat.started >= own.started && names.contains(&stat.name.as_str());
    let found = processes::all().filter(|&pid| Stat::of(pid).is_some_and(|stat| is_meant(&stat)));
    for thread in found.flat_map(threads_of) {
        if getpriority_process(Some(thread)) == Ok(PATIENT) {
            // It may have ended.
            let _ = setpriority_process(Some(thread), usual);
        }
    }
}

fn threads_of(pid: i32) -> impl Iterator<Item = Pid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Makes this process as urgent as the program that has started it, whichever of its threads did.
pub(crate) fn be_as_urgent_as_parent() {
    // The first thread has the number of the process.
    if let Some(usual) = getppid().and_then(|parent| getpriority_process(Some(parent)).ok()) {
        let _ = setpriority_process(None, usual);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;

    use super::*;

    #[test]
    fn what_a_patient_thread_starts_is_patient_until_that_ends() {
        let own = || getpriority_process(None).unwrap();
        thread::spawn(move || {
            let usual = own();
            let patience = Patience::begin().unwrap();
            assert_eq!(own(), PATIENT);
            let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
            drop(patience);
            let of_child = || getpriority_process(Some(Pid::from_child(&child))).unwrap();
            assert_eq!([own(), of_child()], [usual, PATIENT]);
            end_patience_of(&["conmon"]);
            assert_eq!(of_child(), PATIENT);
            end_patience_of(&["conmon", "sleep"]);
            assert_eq!(of_child(), usual);
            child.kill().unwrap();
            child.wait().unwrap();
        })
        .join()
        .unwrap();
    }
}
