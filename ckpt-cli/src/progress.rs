//! One line on a terminal while the work goes on, and one at the end.

use std::time::{Duration, Instant};

use aligntar::Transferred;
use ckpt_core::progress::{Phase, Progress};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use crate::arrived::Arrived;
use crate::logging;
use crate::messages::{Verbosity, warn};
use crate::noted::noted;

/// Members can come by the hundred thousand a second; nobody reads faster than this.
const REDRAW: Duration = Duration::from_millis(50);

/// The phase, the members and the bytes so far; nothing if standard error is not a terminal.
pub(crate) struct ProgressLine {
    bar: ProgressBar,
    phase: &'static str,
    members: u64,
    moved: Transferred,
    drawn: Instant,
    /// When memory, or what is transferred, was first told of, and how much was there.
    first_told: Option<(Instant, u64)>,
    /// Where it is said how much space is needed, if anywhere.
    space: Option<Verbosity>,
}

impl ProgressLine {
    pub(crate) fn new(verb: &'static str) -> Self {
        let style = ProgressStyle::with_template("{prefix} {spinner} [{elapsed_precise}] {wide_msg}");
        let bar = ProgressBar::new_spinner().with_prefix(verb);
        bar.set_style(style.expect("the template is a constant"));
        if logging::is_on() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        ProgressLine {
            bar,
            phase: "",
            members: 0,
            moved: Transferred::default(),
            drawn: Instant::now(),
            first_told: None,
            space: None,
        }
    }

    /// Says beforehand how much space is needed.
    pub(crate) fn with_space(mut self, verbosity: Verbosity) -> Self {
        self.space = Some(verbosity);
        self
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// To print other lines while this one is on the screen.
    pub(crate) fn lines(&self) -> Lines {
        Lines(self.bar.clone())
    }

    /// Counts one more member, for work that has no [`Progress`] of its own.
    pub(crate) fn count(&mut self, moved: Transferred) {
        self.members += 1;
        self.moved += moved;
        if self.drawn.elapsed() > REDRAW {
            self.draw();
        }
    }

    /// The same with a bar, for so many copies.
    pub(crate) fn of_copies(verb: &'static str, count: u32) -> Self {
        let line = ProgressLine::new(verb);
        let style = ProgressStyle::with_template("{prefix} {spinner} [{elapsed_precise}] [{bar:20}] {wide_msg}");
        line.bar.set_style(style.expect("the template is a constant").progress_chars("=> "));
        line.bar.set_length(count.into());
        line
    }

    /// Says how many of all copies are ready.
    pub(crate) fn copies(&self, ready: u32, count: u32) {
        self.bar.set_position(ready.into());
        self.bar.set_message(format!("{ready} of {count} copies run"));
    }

    /// With the rate since it was first told of.
    fn arrived(&mut self, bytes: u64, total: u64) -> Arrived {
        let (since, before) = *self.first_told.get_or_insert((Instant::now(), bytes));
        let elapsed = since.elapsed();
        let rate = bytes.saturating_sub(before) as f64 / elapsed.as_secs_f64();
        Arrived { bytes, total, bytes_per_second: (elapsed > REDRAW).then_some(rate as u64) }
    }

    fn draw(&mut self) {
        self.drawn = Instant::now();
        let members = match self.members {
            0 => String::new(),
            members => format!("{members} members, {}", bytes(self.moved)),
        };
        let comma = if self.phase.is_empty() || members.is_empty() { "" } else { ": " };
        self.bar.set_message(format!("{}{comma}{members}", self.phase));
    }
}

/// Prints lines on stderr, above the progress.
pub(crate) struct Lines(ProgressBar);

impl Lines {
    /// Takes the progress off the screen while `print` is at work.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for ProgressLine {
    fn phase(&mut self, phase: Phase) {
        self.phase = match phase {
            Phase::Writeback => "writing out dirty pages",
            Phase::Copy => "copying files while the container runs",
            Phase::Dump => "dumping the processes",
            Phase::Capture => "taking the files",
            Phase::Export => "taking podman's metadata",
            Phase::Deliver => "writing the archive",
            Phase::Decompress => "reading the archive",
            Phase::Create => "making the container",
            Phase::Place => "placing the files",
            Phase::Resume => "resuming the processes",
            Phase::Start => "starting the processes",
            Phase::Memory => "waiting for the memory",
        };
        info!(phase = self.phase);
        self.draw();
    }

    fn memory(&mut self, arrived: u64, total: u64) {
        let arrived = self.arrived(arrived, total);
        self.bar.set_message(format!("{}: {arrived}", self.phase));
    }

    fn transferred(&mut self, done: u64, total: u64) {
        let arrived = self.arrived(done, total);
        if self.drawn.elapsed() > REDRAW {
            self.drawn = Instant::now();
            self.bar.set_message(arrived.to_string());
        }
    }

    fn compared(&mut self, done: u64, total: u64) {
        if self.drawn.elapsed() > REDRAW {
            self.drawn = Instant::now();
            self.bar.set_message(format!("comparing: {} of {}", HumanBytes(done), HumanBytes(total)));
        }
    }

    fn member(&mut self, _path: &[u8], moved: Transferred) {
        self.count(moved);
    }

    fn space(&mut self, needed: u64, free: u64) {
        if let Some(verbosity) = self.space {
            let (needed, free) = (HumanBytes(needed), HumanBytes(free));
            self.bar.suspend(|| verbosity.note(format_args!("{needed} on the disk are needed, {free} are free")));
        }
    }

    fn warning(&mut self, text: &str) {
        self.bar.suspend(|| warn(text));
    }
}

/// The line that says what was done.
pub(crate) struct Summary {
    pub(crate) elapsed: Duration,
    pub(crate) frozen: Option<Duration>,
    pub(crate) moved: Transferred,
}

impl Summary {
    pub(crate) fn print(&self, what: &str, verbosity: Verbosity) {
        noted().add(self.frozen, self.moved);
        let frozen = self.frozen.map(|frozen| format!(" (frozen {})", seconds(frozen))).unwrap_or_default();
        verbosity.note(format_args!("{what}: {}{frozen}, {}", seconds(self.elapsed), bytes(self.moved)));
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

fn bytes(moved: Transferred) -> String {
    let holes = match moved.hole_bytes {
        0 => String::new(),
        holes => format!(", {} of holes", HumanBytes(holes)),
    };
    format!("{} cloned, {} copied{holes}", HumanBytes(moved.cloned_bytes), HumanBytes(moved.copied_bytes))
}
