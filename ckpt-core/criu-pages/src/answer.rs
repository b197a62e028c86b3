//! Gives threads the page that they wait for, and what lies around it.

use rustix::param::page_size;

use crate::deliver::{Stop, Zeros, deliver};
use crate::failure::Failure;
use crate::memory::{Fault, Piece};
use crate::readers::Reader;
use crate::runs::Run;
use crate::setup::Setup;
use crate::shared::Shared;
use crate::sys;

/// What comes along with a page that is waited for, in bytes.
const AROUND: u64 = 64 << 10;

pub(crate) struct Answerer<'a> {
    setup: &'static Setup,
    shared: &'a Shared,
    /// Before, mappings are still to be made: a page that has none will have one.
    pub(crate) is_restored: bool,
    page: u64,
    buffer: Vec<u8>,
}

impl<'a> Answerer<'a> {
    pub(crate) fn new(setup: &'static Setup, shared: &'a Shared) -> Self {
        let page = page_size() as u64;
        Self { setup, shared, is_restored: false, page, buffer: vec![0; AROUND.max(page) as usize] }
    }

    /// Whether the thread has an answer; if not, it is to be tried again soon.
    pub(crate) fn answer(&mut self, fault: Fault) -> Result<bool, Failure> {
        let address = fault.address - fault.address % self.page;
        let fault = Fault { address, ..fault };
        match self.around(fault)? {
            None => Ok(true),
            Some(None) => self.answer_with_zeros(fault),
            Some(Some(run)) => self.answer_with(fault, run),
        }
    }

    /// What is to come at the page and around it; nothing at all where nobody can wait any more.
    fn around(&self, fault: Fault) -> Result<Option<Option<Run>>, Failure> {
        let memory = self.shared.read();
        let Some(space) = memory.spaces.get(&fault.uffd) else { return Ok(None) };
        if space.is_doubtful(fault.address) {
            return Err(Failure::Doubtful(fault.address));
        }
        let around = if self.is_restored { AROUND.max(self.page) } else { self.page };
        Ok(Some(space.around(fault.address, around)))
    }

    /// Nothing is to come there: it has come by now, or never was in an image.
    fn answer_with_zeros(&self, fault: Fault) -> Result<bool, Failure> {
        let memory = self.shared.read();
        // It may have been closed, or something may have been moved there.
        let space = memory.spaces.get(&fault.uffd).filter(|space| space.waiting.at(fault.address).is_none());
        if space.is_none() {
            return Ok(false);
        }
        let delivered = deliver(sys::borrow(fault.uffd), fault.address, &Zeros, self.page, self.page);
        drop(memory);
        self.finish(fault, delivered.bytes > 0 && delivered.put == 0);
        self.shared.note(&delivered)?;
        self.shared.write().stopped(fault.uffd, fault.address, delivered.stop)?;
        Ok(!matches!(delivered.stop, Some(Stop::Changing | Stop::NoMemory)))
    }

    /// The page first, and then what lies before and behind it.
    fn answer_with(&mut self, fault: Fault, run: Run) -> Result<bool, Failure> {
        let length = run.len() as usize;
        self.setup.readers.read(Reader::Answerer, run.source, &mut self.buffer[..length])?;
        let bytes = &self.buffer[..length];
        let page = fault.address..fault.address + self.page;
        let parts = [page.clone(), run.start..page.start, page.end..run.end];
        for part in parts.into_iter().filter_map(|part| run.cut(&part)) {
            let piece = Piece { uffd: fault.uffd, run: part };
            let memory = self.shared.read();
            let changes = memory.changes;
            if !memory.is_current(&piece) {
                return Ok(part.start != page.start);
            }
            let here = &bytes[(part.start - run.start) as usize..(part.end - run.start) as usize];
            let delivered = deliver(sys::borrow(fault.uffd), part.start, here, part.len(), self.page);
            drop(memory);
            if part.start == page.start {
                self.finish(fault, delivered.bytes > 0 && delivered.put == 0);
            }
            if delivered.unmapped == 0 || self.is_restored {
                self.shared.write().delivered(&piece, &delivered, changes)?;
            }
            self.shared.note(&delivered)?;
            if delivered.stop.is_some() {
                let is_answered = part.start != page.start || delivered.is_stopped_by(Stop::Gone);
                return Ok(is_answered);
            }
        }
        Ok(true)
    }

    /// The kernel wakes who waits for a page that it puts, but not if it was there before.
    fn finish(&self, fault: Fault, was_there: bool) {
        let memory = self.shared.read();
        if was_there && memory.spaces.contains_key(&fault.uffd) {
            let _ = sys::uffd_wake(sys::borrow(fault.uffd), fault.address, self.page);
        }
    }
}
