//! Whether a run that has a file locked by flock(2) is gone.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::processes::Stat;

/// How long a lock may outlive who took it. A run that is killed while it starts a program leaves its locks to the
/// child, which has all of its files open until it executes the program: a moment, longer on a busy machine.
const AFTERLIFE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(1);

/// Whether nobody has `file` locked; waits for a lock that is about to go. It is locked afterwards, while it is open.
pub(crate) fn is_gone(file: &File) -> bool {
    let begun = Instant::now();
    while flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if begun.elapsed() > AFTERLIFE || lives(file) {
            return false;
        }
        thread::sleep(RETRY);
    }
    true
}

/// Whether a process lives that took such a lock. One may be overlooked while others take and leave theirs.
fn lives(file: &File) -> bool {
    let (Ok(metadata), Ok(locks)) = (file.metadata(), fs::read_to_string("/proc/locks")) else { return true };
    holders(&locks, metadata.ino()).any(|pid| Stat::of(pid).is_some_and(|process| !process.is_dead))
}

/// Who took a lock on a file with this number, on whichever file system, as /proc/locks has it (proc_locks(5)):
/// `1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF`.
fn holders(locks: &str, inode: u64) -> impl Iterator<Item = i32> {
    let inode = inode.to_string();
    locks.lines().filter_map(move |line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK").skip(3);
        let (pid, place) = (words.next()?, words.next()?);
        if place.rsplit(':').next() == Some(&inode) { pid.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_lock_that_its_taker_left_to_a_child_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        // flock(1) takes it by a descriptor of its parent, and ends.
        let script = "exec 9<\"$0\"; flock -n 9; echo taken; exec sleep 0.1";
        let mut child =
            Command::new("bash").args(["-c", script]).arg(file.path()).stdout(Stdio::piped()).spawn().unwrap();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let opened = File::open(file.path()).unwrap();
        assert!(flock(&opened, FlockOperation::NonBlockingLockExclusive).is_err());
        assert!(is_gone(&opened));
        child.wait().unwrap();
    }

    #[test]
    fn who_lives_is_not_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        let opened = File::open(file.path()).unwrap();
        assert!(!is_gone(&opened));
        assert!((0..100).any(|_| lives(&opened)));
    }

    #[test]
    fn holders_are_who_took_a_lock_of_the_same_kind_and_file() {
        let locks = "1: POSIX  ADVISORY  WRITE 10 00:1a:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 11 00:1a:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  READ 12 00:1a:77 0 EOF\n3: FLOCK  ADVISORY  WRITE 13 00:1a:777 0 EOF\n";
        assert_eq!(holders(locks, 77).collect::<Vec<_>>(), [11, 12]);
        assert_eq!(holders("", 77).count(), 0);
    }
}
