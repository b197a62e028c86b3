//! Time and memory of one command.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::param::clock_ticks_per_second;

/// How often the memory is looked at. The mark only rises, so what is missed is
/// a rise in the last moments of the process.
const SAMPLE_PERIOD: Duration = Duration::from_millis(2);

pub(crate) struct Measured {
    /// From before the start to the end of the process.
    pub(crate) elapsed: Duration,
    /// Until it had printed its first line; `None` without one.
    pub(crate) first_line: Option<Duration>,
    /// Highest resident memory of the process itself, without its children:
    /// that is why it is not taken from getrusage(2), which mixes them.
    pub(crate) peak_memory_bytes: u64,
    /// Of the process and its children, in user and kernel mode, to 10 ms: it says more than `elapsed` where others
    /// use the machine as well.
    pub(crate) cpu: Duration,
    pub(crate) stdout: String,
}

impl Measured {
    pub(crate) fn elapsed_us(&self) -> u64 {
        microseconds(self.elapsed)
    }

    pub(crate) fn cpu_us(&self) -> u64 {
        microseconds(self.cpu)
    }
}

/// Runs `command` to its end; it has to succeed.
pub(crate) fn measure(command: &mut Command) -> Result<Measured> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let cpu_before = cpu_of_children()?;
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let (status, ended) = (format!("/proc/{}/status", child.id()), AtomicBool::new(false));
    let mut printed = BufReader::new(child.stdout.take().expect("it is a pipe"));
    let (output, elapsed, printed, peak_memory_bytes) = thread::scope(|scope| {
        let memory = scope.spawn(|| highest_mark(&status, &ended));
        let printed = scope.spawn(move || -> io::Result<_> {
            let mut text = Vec::new();
            let first_line = (printed.read_until(b'\n', &mut text)? > 0).then(|| started.elapsed());
            printed.read_to_end(&mut text)?;
            Ok((first_line, text))
        });
        let output = child.wait_with_output();
        let elapsed = started.elapsed();
        ended.store(true, Ordering::SeqCst);
        let printed = printed.join().expect("the reader does not panic");
        (output, elapsed, printed, memory.join().expect("the sampler does not panic"))
    });
    let output = output.with_context(|| format!("cannot wait for {name}"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let (first_line, stdout) = printed.with_context(|| format!("cannot read what {name} prints"))?;
    let stdout = String::from_utf8(stdout).with_context(|| format!("{name} printed no UTF-8"))?;
    let cpu = cpu_of_children()?.saturating_sub(cpu_before);
    Ok(Measured { elapsed, first_line, peak_memory_bytes, cpu, stdout })
}

fn highest_mark(status: &str, ended: &AtomicBool) -> u64 {
    let mut highest = 0;
    while !ended.load(Ordering::SeqCst) {
        // A process that ended but was not waited for yet has no memory any more.
        let mark = fs::read_to_string(status).ok().and_then(|text| high_water_mark(&text));
        highest = highest.max(mark.unwrap_or(0));
        thread::sleep(SAMPLE_PERIOD);
    }
    highest
}

/// `VmHWM` of /proc/PID/status, in bytes, see proc_pid_status(5).
pub(crate) fn high_water_mark(status: &str) -> Option<u64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

/// Of the children that ended and were waited for.
fn cpu_of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    let ticks = children_ticks(&stat).with_context(|| format!("/proc/self/stat says {stat:?}"))?;
    Ok(Duration::from_micros(ticks * 1_000_000 / clock_ticks_per_second()))
}

/// Fields 16 and 17, `cutime` and `cstime`, see proc_pid_stat(5). Field 2 is in parentheses and may have any character.
fn children_ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(number(16)? + number(17)?)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_high_water_mark() {
        assert_eq!(high_water_mark("Name:\tckpt\nVmHWM:\t    5204 kB\nVmRSS:\t 10 kB\n"), Some(5204 << 10));
        assert_eq!(high_water_mark("Name:\tzombie\n"), None);
    }

    #[test]
    fn finds_the_ticks_of_children() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 11 12 130 14 20 0 1 0 99";
        assert_eq!(children_ticks(stat), Some(144));
        assert_eq!(children_ticks("7 (short) S 1"), None);
    }

    #[test]
    fn measures_a_command() {
        let script = "sleep 0.05; echo begun; sleep 0.05; echo done";
        let measured = measure(Command::new("sh").args(["-c", script])).expect("sh is there");
        let first_line = measured.first_line.expect("it prints two");
        assert!(first_line >= Duration::from_millis(50) && measured.elapsed >= first_line + Duration::from_millis(50));
        assert!(measured.peak_memory_bytes > 0);
        assert_eq!(measured.stdout, "begun\ndone\n");
    }

    #[test]
    fn a_failure_says_why() {
        let Err(error) = measure(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])) else {
            panic!("exit 3 is a failure");
        };
        let message = error.to_string();
        assert!(message.contains("broken") && message.contains('3'), "{message}");
    }
}
